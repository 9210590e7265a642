package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/load"
	"github.com/trivetkv/trivet/test/installation"
)

// platform is an api and a consumer on PostgreSQL, Redis and RabbitMQ, with
// authentication on, all on this machine.
type platform struct {
	*installation.Installation
	url   string
	token string
}

const rootToken = "the-root-token-of-a-benchmark-on-loopback"

// startPlatform starts the platform on empty servers.
func startPlatform(ctx context.Context, b *run) (*platform, error) {
	fmt.Fprintln(os.Stderr, "starting PostgreSQL, Redis, RabbitMQ and the services")
	in, err := installation.Start(ctx, installation.Options{
		Bin: b.bin, APIs: 1, Consumers: 1,
		// One token makes all the requests, and may have as many under way as the
		// rows have connections.
		Environ: []string{"TRIVET_AUTH=token", "TRIVET_ROOT_TOKEN=" + rootToken, "TRIVET_MAX_IN_FLIGHT=4096", "TRIVET_MAX_CONNECTIONS=32768", "TRIVET_MAX_STREAMS=32768", "TRIVET_LOG_LEVEL=warn",
			// Room for every key of the dataset.
			"TRIVET_PROCESS_CACHE_SIZE=128MiB"},
	})
	if err != nil {
		return nil, err
	}
	p := &platform{Installation: in, url: in.APIs[0].URL}
	if p.token, err = newToken(ctx, p.url); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// newToken has a server make a token for the dataset's namespace.
func newToken(ctx context.Context, url string) (string, error) {
	body := `{"scopes":[{"namespace":"bench","access":["read","write"]}]}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/tokens", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var made struct{ Token string }
	if response.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("make a token: %s", response.Status)
	}
	return made.Token, json.NewDecoder(response.Body).Decode(&made)
}

// with gives requests of the mix the token, and more header lines.
func (p *platform) with(mix load.Mix, lines ...string) load.Mix {
	return withToken(mix, p.token, lines...)
}

func withToken(mix load.Mix, token string, lines ...string) load.Mix {
	return func(r *load.Request, rng *rand.Rand) {
		mix(r, rng)
		r.Header = appendToken(r.Header, token)
		for _, line := range lines {
			r.Header = append(append(r.Header, line...), "\r\n"...)
		}
	}
}

// fill writes every key of the dataset.
func (p *platform) fill(ctx context.Context, d *dataset, values []item) error {
	t := trivet{}
	key := func(i int) []byte { return d.keys[i%len(d.keys)].raw }
	value := func(i int) []byte { return values[i%len(values)].raw }
	lots := make(chan int, len(d.keys)/t.lot()+1)
	for n := range (len(d.keys) + t.lot() - 1) / t.lot() {
		lots <- n
	}
	mix := p.with(func(r *load.Request, _ *rand.Rand) { t.fill(r, key, value, <-lots) })
	res, err := load.Run(ctx, load.Options{URL: p.url, Connections: 4, Count: int64(len(lots)), Timeout: time.Minute, Mix: mix})
	if err == nil {
		err = complaint(res)
	}
	if err != nil {
		return fmt.Errorf("fill the platform: %w", err)
	}
	return nil
}

// warm reads every key into the caches, once they may be read: a new epoch of
// the shared cache is read only when it has been known for TRIVET_CACHE_BOUND.
func (p *platform) warm(ctx context.Context, d *dataset) error {
	for deadline := time.Now().Add(warmWithin); ; time.Sleep(pollWarm) {
		source, err := p.source(ctx, d.keys[0].raw)
		if err != nil {
			return err
		}
		if source != string(kv.SourceDatabase) {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the cache answered nothing within %v", warmWithin)
		}
	}
	next := make(chan int, len(d.keys))
	for i := range d.keys {
		next <- i
	}
	res, err := load.Run(ctx, load.Options{
		URL: p.url, Connections: 50, Count: int64(len(d.keys)), Timeout: time.Minute,
		Mix: p.with(func(r *load.Request, _ *rand.Rand) {
			r.Target = append(append(r.Target, "/v1/kv/bench/"...), d.keys[<-next].raw...)
		}, "Cache-Control: max-age=60"),
	})
	if err == nil {
		err = complaint(res)
	}
	return err
}

const (
	warmWithin = 30 * time.Second
	pollWarm   = 50 * time.Millisecond
)

// source tells who answers a GET of a key.
func (p *platform) source(ctx context.Context, key []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/v1/kv/bench/"+string(key), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	return response.Header.Get("Trivet-Source"), response.Body.Close()
}

func appendToken(header []byte, token string) []byte {
	return append(append(append(header, "Authorization: Bearer "...), token...), "\r\n"...)
}

// cpu gives the processor time of the services and of the servers beneath them.
func (p *platform) cpu() (total time.Duration) {
	roots := []int{p.Postgres.PID(), p.Redis.PID(), p.RabbitMQ.PID()}
	for _, program := range append(p.APIs, p.Consumers...) {
		roots = append(roots, program.PID())
	}
	for _, pid := range descendants(roots) {
		total += processorTime(pid)
	}
	return total
}

// descendants gives processes and all that they have started.
func descendants(pids []int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if parent, err := strconv.Atoi(string(fields[1])); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}
