// Command crash kills the real program at random moments while 32 workers write to it,
// starts it again on the same data, and checks that it kept every promise that
// its answers made: no acknowledged write is missing, none was made twice, no
// transaction is half there, versions never go back, the change log is dense
// and in order, and what was accepted for later is applied once.
//
// The data grows from round to round. A round checks what it has added; the end
// reads everything again.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 200, "rounds of load, kill, restart and check")
	binary := flag.String("binary", "bin/trivet", "the program")
	seed := flag.Uint64("seed", newSeed(), "of the random choices")
	load := flag.Duration("load", defaultLoad, "of a round before its kill, on average")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := crash(ctx, *binary, *rounds, *seed, *load, func(format string, args ...any) {
		fmt.Printf(format+"\n", args...)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func newSeed() uint64 { return uint64(time.Now().UnixNano()) }

// crash runs rounds against a program in a new directory, which it removes
// when every promise was kept.
func crash(ctx context.Context, binary string, rounds int, seed uint64, load time.Duration, logf func(string, ...any)) error {
	dir, err := os.MkdirTemp("", "trivet-crash-")
	if err != nil {
		return err
	}
	logf("seed %d, directory %s", seed, dir)
	done, err := kill9(ctx, config{
		victim: &process{binary: binary, dir: filepath.Join(dir, "data"), log: filepath.Join(dir, "trivet.log")},
		rounds: rounds,
		seed:   seed,
		load:   load,
		logf:   logf,

		applyWithin: 30 * time.Second,
	})
	logf("%s", done)
	if err != nil {
		return fmt.Errorf("%w\nseed %d; data and log are kept in %s", err, seed, dir)
	}
	return os.RemoveAll(dir)
}
