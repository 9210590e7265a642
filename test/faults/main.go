//go:build unix

// Command faults takes the parts of an installation away under load, one after
// another: each of two apis, two consumers, PostgreSQL, Redis and RabbitMQ is
// killed, and paused, while callers write, read and watch by way of both apis.
// It then checks every promise that was made: no acknowledged write is lost,
// none was applied twice, no read was older than allowed, and every watch has
// seen every change, once and in order.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	cfg := config{logf: func(format string, args ...any) { fmt.Printf(format+"\n", args...) }}
	flag.StringVar(&cfg.bin, "bin", "bin", "directory of the programs")
	flag.DurationVar(&cfg.duration, "duration", 10*time.Minute, "how long faults happen; every part has its turn in any case")
	flag.DurationVar(&cfg.away, "away", 3*time.Second, "for how long a part is away, on average")
	flag.Uint64Var(&cfg.seed, "seed", uint64(time.Now().UnixNano()), "of the order of the faults")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg.logf("seed %d", cfg.seed)
	r, err := run(ctx, cfg)
	if r != nil {
		cfg.logf("%s", r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}
