//go:build unix

// Command servers runs Trivet as an installation does: an api and a consumer on
// PostgreSQL, Redis and RabbitMQ, all on this machine. Ctrl-C ends everything,
// and removes what was written.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/trivetkv/trivet/test/installation"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the programs")
	listen := flag.String("listen", "127.0.0.1:8080", "address of the first api")
	apis := flag.Int("apis", 1, "number of apis")
	consumers := flag.Int("consumers", 1, "number of consumers")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, installation.Options{Bin: *bin, Listen: *listen, APIs: *apis, Consumers: *consumers})
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, o installation.Options) error {
	fmt.Println("starting PostgreSQL, Redis and RabbitMQ; this takes some seconds")
	i, err := installation.Start(ctx, o)
	if err != nil {
		return err
	}
	print(i)
	<-ctx.Done()
	fmt.Println("stopping")
	return i.Close()
}

// print tells where everything is. The URLs hold the passwords of servers that
// only this machine reaches and that end with this program.
func print(i *installation.Installation) {
	fmt.Println("PostgreSQL ", i.Postgres.URL("postgres"))
	fmt.Println("Redis      ", i.Redis.URL())
	fmt.Println("RabbitMQ   ", i.RabbitMQ.URL())
	for _, p := range append(i.APIs, i.Consumers...) {
		fmt.Printf("%-15s  administration %s, log %s\n", p.Name, p.Admin, p.LogFile())
	}
	for _, p := range i.APIs {
		fmt.Println("listening on", p.URL)
	}
}
