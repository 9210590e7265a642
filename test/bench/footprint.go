package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

const mebibyte = 1 << 20

// measureStart compares the time from the start of the process on an empty
// directory to its first answer.
func measureStart(ctx context.Context, b *run) ([]row, error) {
	var times [2][]float64
	for n := range b.plan.starts {
		for i, s := range []system{b.ours, b.peer} {
			in, err := s.start(ctx, filepath.Join(b.dir, fmt.Sprintf("start-%s-%d", s.name(), n)))
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], milliseconds(in.started))
			if err := in.stop(); err != nil {
				return nil, err
			}
		}
	}
	return []row{newRow("cold start to first answer", "ms", times[0], times[1], b.peer.name(), oursBelow(150),
		"from the start of the process on an empty directory to the end of its first answer, median of %d", b.plan.starts)}, nil
}

// idle is how long a system is left alone before its memory is read.
const idle = 5 * time.Second

// measureMemory compares resident memory, without data and with a million
// values, and the time that a start on these takes.
func measureMemory(ctx context.Context, b *run) ([]row, error) {
	systems := []system{b.ours, b.peer}
	var empty, full, rate, restart [2][]float64
	var highest [2]float64
	for i, s := range systems {
		dir := filepath.Join(b.dir, "memory-"+s.name())
		in, err := s.start(ctx, dir)
		if err != nil {
			return nil, err
		}
		if err := func() error {
			defer func() { _ = in.stop() }()
			now, _, err := in.afterIdle(ctx)
			if err != nil {
				return err
			}
			empty[i] = []float64{float64(now) / mebibyte}
			res, err := fillStore(ctx, s, in, b.plan.values, millionthKey, b.value)
			if err != nil {
				return fmt.Errorf("fill %s: %w", s.name(), err)
			}
			rate[i] = []float64{float64(b.plan.values) / res.Elapsed.Seconds()}
			now, most, err := in.afterIdle(ctx)
			if err != nil {
				return err
			}
			full[i], highest[i] = []float64{float64(now) / mebibyte}, float64(most)/mebibyte
			return nil
		}(); err != nil {
			return nil, err
		}
		again, err := s.start(ctx, dir)
		if err != nil {
			return nil, err
		}
		restart[i] = []float64{milliseconds(again.started)}
		if err := again.stop(); err != nil {
			return nil, err
		}
	}
	name := b.peer.name()
	values := fmt.Sprintf("%d values of %d bytes", b.plan.values, valueBytes)
	loading := fmt.Sprintf("%s, written over 4 connections: ours in batches of %d, the peer in transactions of %d", values, b.ours.lot(), b.peer.lot())
	return []row{
		newRow("resident memory, idle", "MiB", empty[0], empty[1], name, oursBelow(64), "VmRSS %v after the first answer of an empty store", idle),
		newRow("resident memory, 1 million values", "MiB", full[0], full[1], name, oursBelow(400),
			"VmRSS %v after %s; highest: ours %.0f, the peer %.0f MiB", idle, loading, highest[0], highest[1]),
		newRow("writing 1 million values", "values/s", rate[0], rate[1], name, target{}, "%s", loading),
		newRow("start on 1 million values", "ms", restart[0], restart[1], name, target{}, "from the start of the process on the data of %s, after a graceful stop, to its first answer", values),
	}, nil
}

func millionthKey(i int) []byte { return fmt.Appendf(nil, "million/%09d", i) }

func (b *run) value(i int) []byte { return b.data.values[i%len(b.data.values)].raw }

func (in *instance) afterIdle(ctx context.Context) (now, highest int64, err error) {
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(idle):
	}
	return in.resident()
}
