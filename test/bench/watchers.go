package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/trivetkv/trivet/pkg/load"
)

const (
	watchers         = 10_000
	watchersOfAWrite = 10
	watchedWrites    = 1000 // a second
)

// measureWatchers opens watches, ten for each prefix, and tells how long after
// a write was due each of its watchers has seen it.
func measureWatchers(ctx context.Context, b *run) (rows []row, err error) {
	p, err := startPlatform(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	before, _, err := residentOf(p.APIs[0].PID())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	audience := &audience{times: hdrhistogram.New(1, int64(time.Minute), 3)}
	defer func() { cancel(); audience.wg.Wait() }()
	fmt.Fprintf(os.Stderr, "opening %d watches\n", watchers)
	for i := range watchers {
		if err := audience.join(ctx, p, i/watchersOfAWrite); err != nil {
			return nil, fmt.Errorf("watch %d: %w", i, err)
		}
	}
	after, _, err := residentOf(p.APIs[0].PID())
	if err != nil {
		return nil, err
	}
	writes := atomic.Int64{}
	put := p.with(func(r *load.Request, rng *rand.Rand) {
		n := writes.Add(1)
		r.Method = "PUT"
		r.Target = fmt.Appendf(r.Target, "/v1/kv/bench/watched/%d/%d", rng.IntN(watchers/watchersOfAWrite), n)
		r.Body = strconv.AppendInt(r.Body, time.Now().UnixNano(), 10)
	})
	res, err := load.Run(ctx, load.Options{URL: p.url, Connections: 64, Rate: watchedWrites, Duration: b.plan.watched, Mix: put})
	if err == nil {
		err = complaint(res)
	}
	if err != nil {
		return nil, err
	}
	if err := audience.await(ctx, res.OK*watchersOfAWrite); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%d events of %d writes were seen\n", audience.seen.Load(), res.OK)
	method := fmt.Sprintf("%d watches over a connection each, %d of each prefix; %d writes a second for %v; from the sending of a write to the arrival of its event at each of its watchers",
		watchers, watchersOfAWrite, watchedWrites, b.plan.watched)
	audience.mu.Lock()
	defer audience.mu.Unlock()
	p99 := time.Duration(audience.times.ValueAtPercentile(99))
	p50 := time.Duration(audience.times.ValueAtPercentile(50))
	return []row{
		newRow("watchers: fan-out p50", "ms", []float64{milliseconds(p50)}, nil, "", target{}, "%s", method),
		newRow("watchers: fan-out p99", "ms", []float64{milliseconds(p99)}, nil, "", oursAtMost(100), "%s", method),
		newRow("watchers: memory of each", "KiB", []float64{float64(after-before) / watchers / 1024}, nil, "", target{}, "resident memory of the api with %d watches, less that without, by their number", watchers),
	}, nil
}

// audience is all the watchers.
type audience struct {
	wg   sync.WaitGroup
	seen atomic.Int64

	mu    sync.Mutex
	times *hdrhistogram.Histogram // nanoseconds
}

// join opens a watch of a prefix and reads its events until the context ends.
func (a *audience) join(ctx context.Context, p *platform, prefix int) error {
	address := strings.TrimPrefix(p.url, "http://")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /v1/watch/bench?prefix=watched/%d/ HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", prefix, address, p.token); err != nil {
		return err
	}
	reader := bufio.NewReaderSize(conn, 1024)
	line, err := reader.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 200 ") {
		return errors.Join(err, fmt.Errorf("answered %q", line))
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	a.wg.Go(func() {
		defer stop()
		a.read(reader)
	})
	return nil
}

// read takes events from a stream until it ends. The written value is the time.
func (a *audience) read(r *bufio.Reader) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		sent, ok := sentAt(line)
		if !ok {
			continue
		}
		took := time.Since(sent)
		a.mu.Lock()
		_ = a.times.RecordValue(int64(max(took, 1)))
		a.mu.Unlock()
		a.seen.Add(1)
	}
}

// sentAt reads when the write of an event's data line was sent.
func sentAt(line []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(line, []byte(`"value":"`))
	if !ok {
		return time.Time{}, false
	}
	text, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return time.Time{}, false
	}
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return time.Time{}, false
	}
	nanoseconds, err := strconv.ParseInt(string(raw), 10, 64)
	return time.Unix(0, nanoseconds), err == nil
}

// await waits until all the events have come.
func (a *audience) await(ctx context.Context, events int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for a.seen.Load() < events {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events have come: %w", a.seen.Load(), events, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}
