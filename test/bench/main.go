// Command bench measures the store beside its peers, in one run on one machine:
// the same generator, the same connections kept alive, the same keys and
// values, and the two systems taking turns. The embedded store meets etcd; the
// services on PostgreSQL, Redis and RabbitMQ meet etcd and webdis.
//
//	go run ./test/bench                 the whole run, some minutes
//	go run ./test/bench -quick          a short one, for a first look
//	go run ./test/bench -check          fails when a target is missed
//	go run ./test/bench -only mixed     one group of rows
//
// It prints a table and writes the same rows as JSON. It runs in the
// repository, with the programs in bin, and builds or installs the peers itself.
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

// options are the command line.
type options struct {
	binary string
	etcd   string
	out    string
	data   string
	quick  bool
	check  bool
	bare   string
	groups groupNames
}

// plan is how long and how often things are measured.
type plan struct {
	rounds   int           // of ours, peer, ours, peer …
	duration time.Duration // of one measurement
	warmup   time.Duration
	starts   int           // of a program, for the time it takes
	keys     int           // that requests are spread over
	values   int           // in the store whose memory is measured
	mixed    time.Duration // of the mixed load
	watched  time.Duration // of the writes that are watched
}

func (o options) plan() plan {
	if o.quick {
		return plan{rounds: 1, duration: 2 * time.Second, warmup: time.Second, starts: 3, keys: 100_000, values: 1_000_000, mixed: 10 * time.Second, watched: 5 * time.Second}
	}
	return plan{rounds: 5, duration: 5 * time.Second, warmup: 2 * time.Second, starts: 11, keys: 100_000, values: 1_000_000, mixed: 10 * time.Minute, watched: 30 * time.Second}
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/trivet", "the program")
	flag.StringVar(&o.etcd, "etcd", "", "an etcd to measure instead of the one that is built from test/peers/etcd")
	flag.StringVar(&o.out, "out", "out/bench.json", "file for the rows as JSON")
	flag.StringVar(&o.data, "data", "out", "directory for the stores' data, on the disk to be measured")
	flag.BoolVar(&o.quick, "quick", false, "measure for a short time, once")
	flag.BoolVar(&o.check, "check", false, "exit with 1 when a target is missed")
	flag.Var(&o.groups, "only", "groups of rows to measure, separated by commas: "+groupList())
	flag.StringVar(&o.bare, "bare", "", "measure nothing: serve the store in this directory with nothing around it, until it is told to end")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var missed int
	var err error
	if o.bare != "" {
		err = serveBare(ctx, o.bare)
	} else {
		missed, err = bench(ctx, o)
	}
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	case o.check && missed > 0:
		fmt.Fprintf(os.Stderr, "bench: %d targets were missed\n", missed)
		os.Exit(1)
	}
}

// bench measures, prints and writes, and gives the number of targets missed.
func bench(ctx context.Context, o options) (missed int, err error) {
	if err := os.MkdirAll(o.data, 0o750); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp(o.data, "bench-data-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	m, err := describeMachine(dir)
	if err != nil {
		return 0, err
	}
	fmt.Println(m)
	if o.etcd == "" {
		o.etcd = filepath.Join("bin", "peer-etcd")
		if err := buildEtcd(ctx, o.etcd); err != nil {
			return 0, err
		}
	}
	b := &run{
		plan: o.plan(),
		dir:  dir,
		bin:  filepath.Dir(o.binary),
		ours: trivet{binary: o.binary},
		peer: etcd{binary: o.etcd},
		data: newDataset(o.plan().keys),
	}
	var rows []row
	for _, g := range groups {
		if !o.groups.has(g.name) {
			continue
		}
		more, err := g.measure(ctx, b)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", g.name, err)
		}
		rows = append(rows, more...)
	}
	fmt.Println()
	printTable(os.Stdout, rows)
	return countMissed(rows), writeJSON(o.out, m, rows)
}
