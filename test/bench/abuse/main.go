// Command abuse measures what a well-behaved client notices of one that is not.
// It starts the program with tokens on, measures the quiet client alone, and
// then again beside each kind of abuse by the holder of another token:
//
//	go run ./test/bench/abuse                 all of it, twelve minutes
//	go run ./test/bench/abuse -only flood     one kind
//	go run ./test/bench/abuse -check          fails when a target is missed
//
// It prints one row for each kind: the p99 of the quiet client's reads and
// writes, alone and beside the abuse, the server's resident memory at its
// highest, and what became of the abuse in the last round. The server is one
// process throughout; that it ends, or starts again, is an error.
//
// Abuse comes from a process of its own that runs when no other does: elsewhere it
// would have a machine of its own, and what it costs itself must not be taken
// for what it costs the server. Tokens have the rate limit that docs/access.md
// advises for a store that several teams share.
package main

import (
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
	data     string
	only     string
	rate     float64
	duration time.Duration
	rounds   int
	check    bool
	environ  settings
	attack   attack
}

// settings are TRIVET_ variables for the server under abuse.
type settings []string

func (s *settings) String() string { return strings.Join(*s, " ") }

// Set adds a variable.
func (s *settings) Set(text string) error {
	*s = append(*s, text)
	return nil
}

// rateLimit is what docs/access.md advises.
const rateLimit = "TRIVET_RATE_LIMIT=1000"

// Targets: others' p99 stays within twice its quiet value, and memory within
// what the limits add up to.
const (
	mostRatio  = 2.0
	mostMemory = 1 << 30
)

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/trivet", "the program")
	flag.StringVar(&o.data, "data", os.TempDir(), "directory for the store's data; one in memory, such as /dev/shm, leaves out what the disk does to writes")
	flag.StringVar(&o.only, "only", "", "one kind of abuse: "+strings.Join(names(), ", "))
	flag.Float64Var(&o.rate, "rate", 200, "reads a second of the well-behaved client; it writes a tenth as often")
	flag.DurationVar(&o.duration, "duration", 20*time.Second, "of each measurement")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each kind is measured, between as many and one measurements of the quiet client alone")
	flag.BoolVar(&o.check, "check", false, "exit with 1 when a target is missed")
	flag.Var(&o.environ, "env", "a variable for the server, such as TRIVET_MAX_IN_FLIGHT=512; may be repeated")
	flag.StringVar(&o.attack.kind, "attack", "", "be the abuse of this kind, until standard input ends")
	flag.StringVar(&o.attack.url, "url", "", "the server to abuse, with the token in ABUSE_TOKEN")
	flag.Parse()
	o.rounds = max(1, o.rounds)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var missed int
	var err error
	if o.attack.kind != "" {
		err = o.attack.run(ctx)
	} else {
		missed, err = run(ctx, o)
	}
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
	s, err := startServer(ctx, o.binary, o.data, append(settings{rateLimit}, o.environ...))
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
	if err := s.prepare(ctx); err != nil {
		return 0, err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "abuse\treads p99\tbeside it\tratio\twrites p99\tbeside it\tratio\tfailed\tmost memory\twhat became of it\n")
	for _, kind := range kinds {
		if o.only != "" && o.only != kind.name {
			continue
		}
		r, err := measure(ctx, o, s, quiet, abuser, kind)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", kind.name, err)
		}
		if r.reads.ratio() > mostRatio || r.writes.ratio() > mostRatio || r.memory > mostMemory || r.failed > 0 {
			missed++
		}
		fmt.Fprintf(out, "%s\t%v\t%v\t%.1f\t%v\t%v\t%.1f\t%d\t%d MiB\t%s\n", kind.name,
			r.reads.alone.Round(time.Microsecond), r.reads.beside.Round(time.Microsecond), r.reads.ratio(),
			r.writes.alone.Round(time.Microsecond), r.writes.beside.Round(time.Microsecond), r.writes.ratio(),
			r.failed, r.memory>>20, r.outcome)
	}
	fmt.Fprintf(out, "\nThe server is the process that was started: %d restarts. Target: a ratio of %.1f, and %d MiB.\n", s.restarts(), mostRatio, mostMemory>>20)
	return missed + s.restarts(), out.Flush()
}

// result is one row.
type result struct {
	reads, writes pair
	failed        int64
	memory        int64
	outcome       string
}

// pair is the p99 of the quiet client alone and beside an abuse.
type pair struct{ alone, beside time.Duration }

func (p pair) ratio() float64 { return float64(p.beside) / float64(max(p.alone, time.Microsecond)) }

// measure measures the quiet client by turns alone and beside the abuse. What
// counts is the median of each: a machine that is not the server's alone stops
// it for some hundredths of a second now and then.
func measure(ctx context.Context, o options, s *process, quiet, abuser string, k kind) (r result, err error) {
	var reads, writes struct{ alone, beside []time.Duration }
	for round := 0; ; round++ {
		alone, err := wellBehaved(ctx, o, s, quiet)
		if err != nil {
			return r, err
		}
		reads.alone, writes.alone = append(reads.alone, p99(alone.reads)), append(writes.alone, p99(alone.writes))
		if round == o.rounds {
			break
		}
		under, err := launch(ctx, k.name, s.url, abuser)
		if err != nil {
			return r, err
		}
		beside, err := wellBehaved(ctx, o, s, quiet)
		outcome, ended := under.end()
		if err := errors.Join(err, ended); err != nil {
			return r, err
		}
		reads.beside, writes.beside = append(reads.beside, p99(beside.reads)), append(writes.beside, p99(beside.writes))
		r.failed += beside.reads.Failures() + beside.writes.Failures()
		r.outcome = outcome
	}
	r.reads = pair{median(reads.alone), median(reads.beside)}
	r.writes = pair{median(writes.alone), median(writes.beside)}
	r.memory, err = s.mostMemory()
	return r, err
}

func p99(r load.Result) time.Duration { return r.Latency.Percentile(99) }

func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return (of[(len(of)-1)/2] + of[len(of)/2]) / 2
}

// behaviour is what the quiet client has measured.
type behaviour struct{ reads, writes load.Result }

// wellBehaved is a client that reads, and writes now and then, at a modest
// rate, whatever comes back. Writes have connections of their own, so that
// reads do not wait behind them in the client.
func wellBehaved(ctx context.Context, o options, s *process, token string) (b behaviour, err error) {
	var wg sync.WaitGroup
	var errs [2]error
	options := func(rate float64, method, body string) load.Options {
		return load.Options{
			URL: s.url, Connections: 8, Rate: rate, Duration: o.duration,
			Mix: func(r *load.Request, rng *rand.Rand) {
				r.Header = append(r.Header, "Authorization: Bearer "+token+"\r\n"...)
				r.Target = fmt.Appendf(r.Target, "/v1/kv/quiet/%d", rng.IntN(100))
				r.Method, r.Body = method, append(r.Body, body...)
			},
		}
	}
	wg.Go(func() { b.reads, errs[0] = load.Run(ctx, options(o.rate, http.MethodGet, "")) })
	wg.Go(func() {
		b.writes, errs[1] = load.Run(ctx, options(o.rate/10, http.MethodPut, strings.Repeat("v", 100)))
	})
	wg.Wait()
	return b, errors.Join(errs[:]...)
}
