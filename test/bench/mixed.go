package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
)

// The load that the platform is planned for.
const (
	mixedReads  = 2000 // a second
	mixedWrites = 500  // a second
	mixedValue  = 1000 // bytes
)

// measureMixed puts the planned load on the platform, at the times at which
// requests are due whatever became of those before, and then looks for the
// highest multiple of it that is still answered in time.
func measureMixed(ctx context.Context, b *run) (rows []row, err error) {
	p, err := startPlatform(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	values := make([]item, 64)
	rng := rand.NewChaCha8([32]byte{2})
	for i := range values {
		value := make([]byte, mixedValue)
		_, _ = rng.Read(value) // never fails
		values[i] = newItem(value)
	}
	if err := p.fill(ctx, b.data, values); err != nil {
		return nil, err
	}
	get := b.ours.get(b.data)
	mix := p.with(func(r *load.Request, rng *rand.Rand) {
		r.Kind = "GET"
		get(r, rng)
		if rng.IntN(mixedReads+mixedWrites) < mixedWrites {
			r.Kind, r.Method = "PUT", "PUT"
			r.Body = append(r.Body, values[rng.IntN(len(values))].raw...)
		}
	})
	run := func(times float64, duration time.Duration) (load.Result, error) {
		res, err := load.Run(ctx, load.Options{
			URL: p.url, Connections: openConnections, Rate: times * (mixedReads + mixedWrites), Duration: duration, Mix: mix,
		})
		if err == nil {
			fmt.Fprintf(os.Stderr, "mixed × %-5.2f %8.0f/s  %v  %d failed\n", times, res.Rate(), res.Latency, res.Failures())
		}
		return res, err
	}
	if _, err := run(1, b.plan.warmup); err != nil {
		return nil, err
	}
	before := p.cpu()
	res, err := run(1, b.plan.mixed)
	if err != nil {
		return nil, err
	}
	share := (p.cpu() - before).Seconds() / res.Elapsed.Seconds() / float64(runtime.NumCPU())
	most, err := highest(run, b.plan.duration)
	if err != nil {
		return nil, err
	}
	method := fmt.Sprintf("open loop, %d reads and %d writes a second of values of %d bytes, %d keys, for %v, up to %d connections; latency from the time each request was due",
		mixedReads, mixedWrites, mixedValue, b.plan.keys, b.plan.mixed, openConnections)
	return []row{
		newRow("mixed load: p99", "ms", []float64{milliseconds(res.Latency.Percentile(99))}, nil, "", oursAtMost(10), "%s", method),
		newRow("mixed load: failures", "requests", []float64{float64(res.Failures())}, nil, "", oursAtMost(0), "%s", method),
		newRow("mixed load: processor time", "of all cores", []float64{share}, nil, "", target{}, "%s; services and servers", method),
		newRow("mixed load: highest multiple", "times", []float64{most}, nil, "", target{},
			"the same mix at growing rates, %v each: the last whose p99 is within %v without a failure", b.plan.duration, mixedBound),
	}, nil
}

// mixedBound is the p99 up to which a multiple of the load is carried.
const mixedBound = 25 * time.Millisecond

// highest finds the multiple of the load that is still carried: by steps of a
// quarter, until one is not.
func highest(run func(times float64, duration time.Duration) (load.Result, error), duration time.Duration) (float64, error) {
	carried := 0.0
	for times := 1.0; times < 64; times *= 1.25 {
		res, err := run(times, duration)
		if err != nil {
			return 0, err
		}
		if res.Failures() > 0 || res.Latency.Percentile(99) > mixedBound {
			return carried, nil
		}
		carried = times
	}
	return carried, errors.New("the generator ended before the platform did")
}
