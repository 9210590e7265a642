// Command abuse measures what a well-behaved client notices of one that is not.
// It starts the program with tokens on, measures the quiet client alone, and
// then again beside each kind of abuse by the holder of another token:
//
//	go run ./test/bench/abuse                 all of it, about a minute
//	go run ./test/bench/abuse -only flood     one kind
//	go run ./test/bench/abuse -check          fails when a target is missed
//
// It prints one row for each kind: the quiet client's p99 and its ratio to the
// p99 before and after, the server's resident memory at its highest, and what
// became of the abuse. The server is one process throughout; that it ends, or
// starts again, is an error.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
)

// options are the command line.
type options struct {
	binary   string
	only     string
	rate     float64
	duration time.Duration
	check    bool
	environ  settings
}

// settings are TRIVET_ variables for the server under abuse.
type settings []string

func (s *settings) String() string { return strings.Join(*s, " ") }

// Set adds a variable.
func (s *settings) Set(text string) error {
	*s = append(*s, text)
	return nil
}

// Targets: others' p99 stays within twice its quiet value, and memory within
// what the limits add up to.
const (
	mostRatio  = 2.0
	mostMemory = 1 << 30
)

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/trivet", "the program")
	flag.StringVar(&o.only, "only", "", "one kind of abuse: "+strings.Join(names(), ", "))
	flag.Float64Var(&o.rate, "rate", 200, "requests a second of the well-behaved client")
	flag.DurationVar(&o.duration, "duration", 6*time.Second, "of each measurement")
	flag.BoolVar(&o.check, "check", false, "exit with 1 when a target is missed")
	flag.Var(&o.environ, "env", "a variable for the server, such as TRIVET_RATE_LIMIT=1000; may be repeated")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	missed, err := run(ctx, o)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "abuse:", err)
		os.Exit(1)
	case o.check && missed > 0:
		fmt.Fprintf(os.Stderr, "abuse: %d targets were missed\n", missed)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (missed int, err error) {
	s, err := startServer(ctx, o.binary, o.environ)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	quiet, err := s.token(ctx, "quiet")
	if err != nil {
		return 0, err
	}
	abuser, err := s.token(ctx, "abuse")
	if err != nil {
		return 0, err
	}
	if err := s.prepare(ctx, abuser); err != nil {
		return 0, err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "abuse\tquiet p50\tp99\tp99 beside it\tratio\tof reads\tfailed\tmost memory\twhat became of it\n")
	for _, kind := range kinds {
		if o.only != "" && o.only != kind.name {
			continue
		}
		r, err := measure(ctx, o, s, quiet, abuser, kind)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", kind.name, err)
		}
		if r.ratio() > mostRatio || r.memory > mostMemory || r.failed > 0 {
			missed++
		}
		fmt.Fprintf(out, "%s\t%v\t%v\t%v\t%.1f\t%.1f\t%d\t%d MiB\t%s\n", kind.name, r.p50.Round(time.Microsecond), r.before.Round(time.Microsecond),
			r.beside.Round(time.Microsecond), r.ratio(), r.reads, r.failed, r.memory>>20, r.outcome)
	}
	fmt.Fprintf(out, "\nThe server is the process that was started: %d restarts. Target: a ratio of %.1f, and %d MiB.\n", s.restarts(), mostRatio, mostMemory>>20)
	return missed + s.restarts(), out.Flush()
}

// result is one row.
type result struct {
	p50, before, beside time.Duration
	reads               float64 // the ratio of reads alone, which no disk holds up
	failed              int64
	memory              int64
	outcome             string
}

func (r result) ratio() float64 { return float64(r.beside) / float64(max(r.before, time.Microsecond)) }

// measure measures the quiet client alone, beside the abuse, and alone again:
// what it is compared with is the mean of the two.
func measure(ctx context.Context, o options, s *process, quiet, abuser string, k kind) (result, error) {
	alone, err := wellBehaved(ctx, o, s, quiet)
	if err != nil {
		return result{}, err
	}
	abuse, stop := context.WithCancel(ctx)
	var counts counts
	var wg sync.WaitGroup
	wg.Go(func() { k.abuse(abuse, s, abuser, &counts) })
	beside, err := wellBehaved(ctx, o, s, quiet)
	stop()
	wg.Wait()
	if err != nil {
		return result{}, err
	}
	after, err := wellBehaved(ctx, o, s, quiet)
	if err != nil {
		return result{}, err
	}
	memory, err := s.mostMemory()
	p99 := func(r load.Result) float64 { return float64(r.Kinds["get"].Latency.Percentile(99)) }
	return result{
		p50:     alone.Latency.Percentile(50),
		before:  (alone.Latency.Percentile(99) + after.Latency.Percentile(99)) / 2,
		beside:  beside.Latency.Percentile(99),
		reads:   2 * p99(beside) / (p99(alone) + p99(after)),
		failed:  beside.Failures(),
		memory:  memory,
		outcome: counts.String(),
	}, err
}

// wellBehaved is a client that reads, and writes now and then, at a modest
// rate, whatever comes back.
func wellBehaved(ctx context.Context, o options, s *process, token string) (load.Result, error) {
	return load.Run(ctx, load.Options{
		URL: s.url, Connections: 8, Rate: o.rate, Duration: o.duration,
		Mix: func(r *load.Request, rng *rand.Rand) {
			r.Header = append(r.Header, "Authorization: Bearer "+token+"\r\n"...)
			r.Target = fmt.Appendf(r.Target, "/v1/kv/quiet/%d", rng.IntN(100))
			if rng.IntN(20) == 0 {
				r.Kind, r.Method, r.Body = "put", http.MethodPut, append(r.Body, bytes.Repeat([]byte("v"), 100)...)
			} else {
				r.Kind = "get"
			}
		},
	})
}

// counts are what became of abuse.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[what] += n
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for what, n := range c.of {
		parts = append(parts, fmt.Sprintf("%d %s", n, what))
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(b, a) })
	return strings.Join(parts, ", ")
}
