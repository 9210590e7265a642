package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
)

// contest is one load on both systems.
type contest struct {
	name        string
	connections int
	ours, peer  load.Mix
	least       float64 // of the ratio of their rates; 0: no target
	bodies      int64   // bytes that every answer has at least
	openLoop    bool    // measured at fixed rates too
	anyLatency  bool    // the p99 has no target
}

// side is one system in a contest.
type side struct {
	name string
	url  string
	cpu  func() time.Duration // processor time that it has used

	rates []float64 // answers a second
	p99s  []float64 // milliseconds
	cpus  []float64 // microseconds of the system's processor time for each answer

	requests string // the file of those that a closed loop sends
}

// measureThroughput compares closed loops, and then open loops at parts of
// what the closed ones reached.
func measureThroughput(ctx context.Context, b *run) (rows []row, err error) {
	var sides [2]*side
	for i, s := range []system{b.ours, b.peer} {
		in, err := b.startFilled(ctx, s)
		if err != nil {
			return nil, err
		}
		defer func() { _ = in.stop() }()
		sides[i] = &side{name: s.name(), url: in.url, cpu: in.cpu}
	}
	ours, peer := sides[0], sides[1]
	database := b.ours.(trivet).getDatabase(b.data) //nolint:forcetypeassert // ours is
	for _, c := range []contest{
		{name: "PUT, 50 connections", connections: 50, ours: b.ours.put(b.data), peer: b.peer.put(b.data), least: 1.5, openLoop: true},
		{name: "PUT, 256 connections", connections: 256, ours: b.ours.put(b.data), peer: b.peer.put(b.data), least: 1.5},
		{name: "GET, 50 connections", connections: 50, ours: b.ours.get(b.data), peer: b.peer.get(b.data), least: 6, bodies: valueBytes, openLoop: true},
		{name: "GET no-cache, 50 connections", connections: 50, ours: database, peer: b.peer.get(b.data), bodies: valueBytes},
	} {
		more, err := b.closed(ctx, c, ours, peer)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		rows = append(rows, more...)
		if !c.openLoop {
			continue
		}
		for _, part := range []int{25, 50, 75} {
			more, err := b.open(ctx, c, ours, peer, part)
			if err != nil {
				return nil, fmt.Errorf("%s at %d %%: %w", c.name, part, err)
			}
			rows = append(rows, more...)
		}
	}
	return rows, nil
}

// startFilled starts a system and writes every key of the dataset.
func (b *run) startFilled(ctx context.Context, s system) (*instance, error) {
	in, err := s.start(ctx, filepath.Join(b.dir, s.name()))
	if err != nil {
		return nil, err
	}
	key := func(i int) []byte { return b.data.keys[i%len(b.data.keys)].raw }
	value := func(i int) []byte { return b.data.values[i%len(b.data.values)].raw }
	if _, err := fillStore(ctx, s, in, len(b.data.keys), key, value); err != nil {
		_ = in.stop()
		return nil, fmt.Errorf("fill %s: %w", s.name(), err)
	}
	return in, nil
}

// closed finds how much each system answers when every connection is busy.
func (b *run) closed(ctx context.Context, c contest, ours, peer *side) ([]row, error) {
	generator, err := newWrk(ctx, b.dir)
	if err != nil {
		return nil, err
	}
	for _, s := range []*side{ours, peer} {
		s.rates, s.p99s, s.cpus = nil, nil, nil
		mix := c.ours
		if s == peer {
			mix = c.peer
		}
		if s.requests, err = generator.prepare(s.url, mix); err != nil {
			return nil, err
		}
		if _, err := generator.run(ctx, s.url, s.requests, c.connections, b.plan.warmup); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for range b.plan.rounds {
		for _, s := range []*side{ours, peer} {
			before := s.cpu()
			o, err := generator.run(ctx, s.url, s.requests, c.connections, b.plan.duration)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if o.Bytes < o.Requests*c.bodies {
				return nil, fmt.Errorf("%s answered %d requests with %d bytes: values are missing", s.name, o.Requests, o.Bytes)
			}
			each := func(d time.Duration) time.Duration { return d / time.Duration(max(o.Requests, 1)) }
			cpu := each(s.cpu() - before)
			fmt.Fprintf(os.Stderr, "%-36s %-7s %8.0f/s  p50 %.2f ms, p99 %.2f ms  processor time for each: generator %v, system %v\n",
				c.name, s.name, o.rate(), o.P50/1000, o.P99/1000, each(o.generator), cpu)
			s.rates = append(s.rates, o.rate())
			s.p99s = append(s.p99s, o.P99/1000)
			s.cpus = append(s.cpus, float64(cpu)/float64(time.Microsecond))
		}
	}
	const method = "closed loop by wrk with one thread, %d connections kept alive, values of %d bytes, %d keys chosen at random, %d × %v each in turns, medians"
	args := []any{c.connections, valueBytes, b.plan.keys, b.plan.rounds, b.plan.duration}
	var rate, p99 target
	if c.least > 0 {
		rate = ratioAtLeast(c.least)
	}
	if c.least > 0 && !c.anyLatency {
		p99 = notLonger
	}
	return []row{
		newRow(c.name, "requests/s", ours.rates, peer.rates, peer.name, rate, method, args...),
		newRow(c.name+": p99", "ms", ours.p99s, peer.p99s, peer.name, p99, method, args...),
		newRow(c.name+": processor time", "µs/request", ours.cpus, peer.cpus, peer.name, target{}, method, args...),
	}, nil
}

// openConnections are enough that a request rarely waits for one.
const openConnections = 256

// open measures latency at a part of the rate that each system reached itself.
func (b *run) open(ctx context.Context, c contest, ours, peer *side, part int) ([]row, error) {
	var p50s, p99s [2][]float64
	sides := []*side{ours, peer}
	rates := [2]float64{}
	for i, s := range sides {
		rates[i] = median(s.rates) * float64(part) / 100
	}
	for round := range b.plan.rounds {
		for i, mix := range []load.Mix{c.ours, c.peer} {
			res, err := b.load(ctx, fmt.Sprintf("%s, open loop at %d %%", c.name, part), sides[i], load.Options{
				URL: sides[i].url, Connections: openConnections, Rate: rates[i], Duration: b.plan.duration, Seed: uint64(round) + 1, Mix: mix,
			})
			if err != nil {
				return nil, err
			}
			p50s[i] = append(p50s[i], milliseconds(res.Latency.Percentile(50)))
			p99s[i] = append(p99s[i], milliseconds(res.Latency.Percentile(99)))
		}
	}
	name := fmt.Sprintf("%s open loop, %d %%", c.name[:3], part)
	const method = "open loop, %.0f/s ours and %.0f/s the peer, %d %% of what each reached in the closed loop; latency from the time each request was due; up to %d connections, %d × %v each in turns, medians"
	args := []any{rates[0], rates[1], part, openConnections, b.plan.rounds, b.plan.duration}
	return []row{
		newRow(name+": p50", "ms", p50s[0], p50s[1], peer.name, target{}, method, args...),
		newRow(name+": p99", "ms", p99s[0], p99s[1], peer.name, target{}, method, args...),
	}, nil
}

// load runs one open loop and says on standard error what it was, with the
// processor time that the system took for each request.
func (b *run) load(ctx context.Context, name string, s *side, o load.Options) (res load.Result, err error) {
	server := s.cpu()
	res, err = load.Run(ctx, o)
	if err == nil {
		err = complaint(res)
	}
	if err != nil {
		return res, fmt.Errorf("%s: %w", s.name, err)
	}
	fmt.Fprintf(os.Stderr, "%-36s %-7s %8.0f/s  %v  processor time for each: system %v\n",
		name, s.name, res.Rate(), res.Latency, (s.cpu()-server)/time.Duration(max(res.OK, 1)))
	return res, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
