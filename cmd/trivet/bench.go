package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/load"
)

// benchFlags are the flags of bench, checked.
type benchFlags struct {
	namespace    string
	mode         string
	connections  int
	rate         float64
	duration     time.Duration
	mix          operationMix
	keys         int
	distribution string
	size         sizeRange
	plot         string
	yes          bool
}

// Most that bench takes: each connection is a goroutine and two buffers, and
// the distribution is a table of the keys.
const (
	maxBenchConnections = 20_000
	maxBenchKeys        = 1_000_000
)

func (t *terminal) benchCommand() *cobra.Command {
	var (
		flags  benchFlags
		output format
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a server under load",
		Long: `Measure a server under load: how many requests it answers, and how long they
take. First it writes the keys of the test, bench-0 to bench-9999, into the
namespace, and leaves them there.

A closed loop keeps all connections busy, each with one request after another,
which finds the largest throughput. An open loop sends --rate requests a second
whatever the server does, and counts the time from the moment at which a request
was due, as its users would.

A server that is not on this machine needs --yes, since others may be using it.
Limits of the server hold: with TRIVET_RATE_LIMIT answers of 429 are errors.

` + connectionHelp,
		Example: `  trivet bench
  trivet bench --mix get=50,put=50 --size 64-1024 --plot bench.svg
  trivet bench --mode open --rate 2000 --key-distribution zipf --duration 1m
  trivet bench --url https://kv.example.com --yes -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return usageError{err}
			}
			if err := kv.CheckNamespace(flags.namespace); err != nil {
				return err
			}
			return t.bench(cmd, flags, output)
		},
	}
	t.connectionFlags(cmd)
	flags.mix = operationMix{{"get", 90}, {"put", 10}}
	flags.size = sizeRange{100, 100}
	set := cmd.Flags()
	set.StringVar(&flags.namespace, "namespace", "bench", "namespace of the test's keys")
	set.StringVar(&flags.mode, "mode", "closed", "closed or open loop")
	set.IntVar(&flags.connections, "connections", 50, "connections")
	set.Float64Var(&flags.rate, "rate", 0, "requests per second of an open loop")
	set.DurationVar(&flags.duration, "duration", 10*time.Second, "how long to send")
	set.Var(&flags.mix, "mix", "shares of get, put and list")
	set.IntVar(&flags.keys, "keys", 10_000, "number of keys")
	set.StringVar(&flags.distribution, "key-distribution", "uniform", "uniform, or zipf: few keys get most requests")
	set.Var(&flags.size, "size", "bytes of a value, or a range such as 64-1024")
	set.StringVar(&flags.plot, "plot", "", "write the distribution of latency to this file, as SVG")
	set.BoolVar(&flags.yes, "yes", false, "send the load to a server that is not on this machine")
	output.flag(cmd)
	return cmd
}

func (f benchFlags) check() error {
	switch {
	case f.mode != "closed" && f.mode != "open":
		return errors.New("--mode has to be closed or open")
	case f.mode == "open" && f.rate <= 0:
		return errors.New("an open loop needs a --rate above 0")
	case f.mode == "closed" && f.rate != 0:
		return errors.New("--rate is for --mode open")
	case f.connections < 1 || f.connections > maxBenchConnections:
		return fmt.Errorf("--connections has to be 1 to %d", maxBenchConnections)
	case f.duration <= 0:
		return errors.New("--duration has to be above 0s")
	case f.keys < 1 || f.keys > maxBenchKeys:
		return fmt.Errorf("--keys has to be 1 to %d", maxBenchKeys)
	case f.distribution != "uniform" && f.distribution != "zipf":
		return errors.New("--key-distribution has to be uniform or zipf")
	}
	return nil
}

func (t *terminal) bench(cmd *cobra.Command, flags benchFlags, output format) error {
	server, err := t.target(cmd)
	if err != nil {
		return err
	}
	if err := checkBenchTarget(server.url, flags.yes); err != nil {
		return usageError{err}
	}
	c, err := server.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := interruptible(cmd.Context())
	defer cancel()

	work := newWorkload(flags, server.token)
	fmt.Fprintf(t.err, "writing %d keys to namespace %s\n", flags.keys, flags.namespace)
	if err := work.prepare(ctx, c); err != nil {
		return err
	}
	fmt.Fprintf(t.err, "sending for %v\n", flags.duration)
	options := load.Options{
		URL: strings.TrimRight(server.url, "/"), TLS: server.tls, Connections: flags.connections,
		Duration: flags.duration, Rate: flags.rate, Mix: work.next,
	}
	result, err := load.Run(ctx, options)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &kv.Error{Code: kv.CodeUnavailable, Detail: "the load could not be sent", Cause: err}
	}
	report := newBenchReport(flags, server.url, result)
	if flags.plot != "" {
		if err := os.WriteFile(flags.plot, report.svg(), 0o644); err != nil { //nolint:gosec // a picture to be shown
			return fmt.Errorf("write the plot: %w", err)
		}
	}
	if output.isText() {
		return report.print(t.out)
	}
	return output.document(t.out, report)
}

// checkBenchTarget refuses what the load cannot be sent to, and whose owner
// may not expect it.
func checkBenchTarget(server string, yes bool) error {
	u, err := url.Parse(server)
	if err != nil {
		return fmt.Errorf("the server's URL: %w", err)
	}
	if strings.Trim(u.Path, "/") != "" {
		return errors.New("the server's URL may have no path: the load goes to the server itself")
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() || yes {
		return nil
	}
	return fmt.Errorf("%s is not this machine: a load test slows down everybody who uses it; give --yes if that is meant", host)
}

// prepare writes the test's keys.
func (w *workload) prepare(ctx context.Context, c *client.Client) error {
	const batch = 500
	size := min(batch, max(1, 4<<20/w.flags.size.most)) // of a batch in bytes: 4 MiB at most
	ops := make([]kv.Operation, 0, size)
	for i := range w.flags.keys {
		ops = append(ops, kv.Operation{Kind: kv.KindPut, Key: benchKey(i), Value: w.noise[:w.flags.size.least]})
		if len(ops) < size && i < w.flags.keys-1 {
			continue
		}
		results, err := c.Batch(ctx, w.flags.namespace, ops, kv.Identity{})
		if err != nil {
			return err
		}
		refused := slices.IndexFunc(results, func(r kv.Result) bool { return r.Err != nil })
		if refused >= 0 {
			return results[refused].Err
		}
		ops = ops[:0]
	}
	return nil
}
