package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// webdisProgram answers HTTP from Redis, and is written in C.
var webdisProgram = testserver.Program{
	Name:     "webdis",
	Binary:   "webdis",
	Packages: []string{"webdis"},
	Others:   "From source: github.com/nicolasff/webdis.",
}

// webdis is one in front of a Redis: without authentication, with as many
// threads as there are processors.
type webdis struct {
	*testserver.Server
	url string
}

func startWebdis(ctx context.Context, redis *testserver.Redis, threads int) (*webdis, error) {
	path, err := webdisProgram.Find(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := testserver.NewDir("webdis", nil)
	if err != nil {
		return nil, err
	}
	port, err := testserver.FreePort()
	if err != nil {
		return nil, err
	}
	host, redisPort, err := net.SplitHostPort(redis.Addr())
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(redisPort)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"redis_host": host, "redis_port": number, "http_host": "127.0.0.1", "http_port": port,
		"threads": threads, "pool_size": 20, "daemonize": false, "verbosity": 0, "logfile": filepath.Join(dir, "webdis.log"),
	})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "webdis.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	w := &webdis{url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	w.Server, err = testserver.Start(ctx, testserver.Spec{
		Name: "webdis", Path: path, Args: []string{file}, Dir: dir,
		Ready: func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/PING", nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			return response.Body.Close()
		},
	})
	return w, err
}

// fill writes the dataset as plain strings.
func (w *webdis) fill(ctx context.Context, d *dataset) error {
	next := make(chan int, len(d.keys))
	for i := range d.keys {
		next <- i
	}
	res, err := load.Run(ctx, load.Options{
		URL: w.url, Connections: 8, Count: int64(len(d.keys)), Timeout: time.Minute,
		Mix: func(r *load.Request, _ *rand.Rand) {
			i := <-next
			r.Method = http.MethodPut
			r.Target = append(append(r.Target, "/SET/"...), escaped(d.keys[i].raw)...)
			r.Body = append(r.Body, d.values[i%len(d.values)].raw...)
		},
	})
	if err == nil {
		err = complaint(res)
	}
	if err != nil {
		return fmt.Errorf("fill webdis: %w", err)
	}
	return nil
}

// get reads a key's value as it is, without JSON around it.
func (w *webdis) get(d *dataset) load.Mix {
	return func(r *load.Request, rng *rand.Rand) {
		r.Target = append(append(r.Target, "/GET/"...), escaped(d.key(rng).raw)...)
		r.Target = append(r.Target, ".txt"...)
	}
}

// escaped makes one segment of a key that has a slash in it.
func escaped(key []byte) []byte {
	out := make([]byte, 0, len(key)+2)
	for _, c := range key {
		if c == '/' {
			out = append(out, "%2F"...)
		} else {
			out = append(out, c)
		}
	}
	return out
}
