package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
)

// kind is a way of doing harm with one token, until the context ends.
type kind struct {
	name  string
	abuse func(ctx context.Context, s *process, token string, c *counts)
}

var kinds = []kind{
	{"flood", flood},
	{"trickle", trickle},
	{"never read", neverRead},
	{"connections", connections},
	{"8 MiB bodies", largeBodies},
}

func names() []string {
	var all []string
	for _, k := range kinds {
		all = append(all, k.name)
	}
	return all
}

// flood sends reads and writes over many connections as fast as they are
// answered.
func flood(ctx context.Context, s *process, token string, c *counts) {
	res, _ := load.Run(ctx, load.Options{
		URL: s.url, Connections: 256, Duration: time.Hour,
		Mix: func(r *load.Request, rng *rand.Rand) {
			r.Header = append(r.Header, "Authorization: Bearer "+token+"\r\n"...)
			r.Target = fmt.Appendf(r.Target, "/v1/kv/abuse/%d", rng.IntN(10_000))
			if rng.IntN(4) == 0 {
				r.Method, r.Body = http.MethodPut, append(r.Body, "value"...)
			} else if rng.IntN(2) == 0 {
				r.Want = http.StatusNotFound
			}
		},
	})
	c.add("requests served", int(res.OK))
	for failure, n := range res.Failed {
		if failure != load.Canceled {
			c.add("of "+string(failure), int(n))
		}
	}
}

// trickle sends requests a byte at a time: headers, and bodies.
func trickle(ctx context.Context, s *process, token string, c *counts) {
	each(ctx, 512, func(i int) {
		conn, err := s.dial(ctx)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		start := "GET /v1/kv/abuse/k HTTP/1.1\r\nX-Trickle: "
		if i%2 == 0 {
			start = fmt.Sprintf("PUT /v1/kv/abuse/%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000000\r\n\r\n", i, token)
		}
		_, err = io.WriteString(conn, start)
		for tick := time.NewTicker(100 * time.Millisecond); err == nil; {
			select {
			case <-ctx.Done():
				tick.Stop()
				c.add("were still open", 1)
				return
			case <-tick.C:
				_, err = io.WriteString(conn, "x")
			}
		}
		c.add("were closed", 1)
	})
}

// neverRead asks for large values and lists, again and again over each
// connection, and reads nothing.
func neverRead(ctx context.Context, s *process, token string, c *counts) {
	each(ctx, 256, func(i int) {
		conn, err := s.dial(ctx)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		target := fmt.Sprintf("/v1/kv/abuse/large-%d", i%largeValues)
		if i%4 == 0 {
			target = "/v1/kv/abuse?values=true&prefix=large"
		}
		for range 10 {
			if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nCache-Control: no-cache\r\n\r\n", target, token); err != nil {
				break
			}
		}
		<-ctx.Done()
		c.add("did not read", 1)
	})
}

// connections opens 20 000 connections, and keeps those that it is left.
func connections(ctx context.Context, s *process, _ string, c *counts) {
	const workers, most = 16, 20_000
	var open []net.Conn
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, descriptors()) // of this process
	for range workers {
		wg.Go(func() {
			for range most / workers {
				select {
				case room <- struct{}{}:
				case <-ctx.Done():
					return
				}
				conn, err := s.dial(ctx)
				if err != nil {
					<-room
					continue
				}
				c.add("were opened", 1)
				mu.Lock()
				open = append(open, conn)
				mu.Unlock()
				go func() { // until the server closes it
					_, _ = io.Copy(io.Discard, conn)
					_ = conn.Close()
					<-room
				}()
			}
		})
	}
	wg.Wait()
	<-ctx.Done()
	for _, conn := range open {
		_ = conn.Close()
	}
}

// largeBodies writes values of the largest size, many at a time.
func largeBodies(ctx context.Context, s *process, token string, c *counts) {
	value := strings.Repeat("0123456789abcdef", 8<<20/16)
	each(ctx, 64, func(i int) {
		for ctx.Err() == nil {
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, fmt.Sprintf("%s/v1/kv/abuse/body-%d", s.url, i), strings.NewReader(value))
			if err != nil {
				return
			}
			req.Header.Set("Authorization", "Bearer "+token)
			response, err := http.DefaultClient.Do(req)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				c.add("were cut off", 1)
			default:
				_ = response.Body.Close()
				c.add("of "+response.Status[:3], 1)
			}
		}
	})
}

// each runs n at a time and waits for all.
func each(ctx context.Context, n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}
