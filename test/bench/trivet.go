package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/load"
)

// trivet is the program under test as `trivet run` starts it.
type trivet struct{ binary string }

func (trivet) name() string { return "trivet" }

func (t trivet) start(ctx context.Context, dir string) (*instance, error) {
	return t.startWith(ctx, dir)
}

func (t trivet) startWith(ctx context.Context, dir string, environ ...string) (*instance, error) {
	binary, err := filepath.Abs(t.binary)
	if err != nil {
		return nil, err
	}
	return startListening(ctx, dir, environ, binary, "run", "--data", dir, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
}

// startListening starts a program that prints its URL once it serves the data
// API, and makes a first request.
func startListening(ctx context.Context, dir string, environ []string, program string, args ...string) (*instance, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), environ...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	inst, err := spawn(cmd, dir+".log")
	if err != nil {
		return nil, err
	}
	url := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if address, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				url <- address
			}
		}
	}()
	select {
	case inst.url = <-url:
	case <-inst.ended:
		return nil, fmt.Errorf("%s ended: %v; see %s.log", program, inst.cmd.ProcessState, dir)
	case <-time.After(startWithin):
		return nil, errors.Join(fmt.Errorf("%s did not listen within %v", program, startWithin), inst.stop())
	}
	res, err := http.Get(inst.url + "/v1/kv/bench/absent") //nolint:noctx // answered at once, or the run ends
	if err == nil {
		_ = res.Body.Close()
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusUnauthorized {
			err = fmt.Errorf("the first answer of %s is %s", program, res.Status)
		}
	}
	if err != nil {
		return nil, errors.Join(err, inst.stop())
	}
	inst.started = time.Since(begin)
	return inst, nil
}

// startWithin is how long a system may take to serve.
const startWithin = time.Minute

func (trivet) put(d *dataset) load.Mix {
	return func(r *load.Request, rng *rand.Rand) {
		r.Method = http.MethodPut
		r.Target = append(append(r.Target, "/v1/kv/bench/"...), d.key(rng).raw...)
		r.Body = append(r.Body, d.value(rng).raw...)
	}
}

func (trivet) get(d *dataset) load.Mix {
	return func(r *load.Request, rng *rand.Rand) {
		r.Target = append(append(r.Target, "/v1/kv/bench/"...), d.key(rng).raw...)
	}
}

// getDatabase reads past every cache.
func (t trivet) getDatabase(d *dataset) load.Mix {
	get := t.get(d)
	return func(r *load.Request, rng *rand.Rand) {
		get(r, rng)
		r.Header = append(r.Header, "Cache-Control: no-cache\r\n"...)
	}
}

func (trivet) lot() int { return kv.MaxBatchOperations }

func (t trivet) fill(r *load.Request, key, value func(i int) []byte, n int) {
	r.Method = http.MethodPost
	r.Target = append(r.Target, "/v1/batch/bench"...)
	r.Header = append(r.Header, "Content-Type: application/json\r\n"...)
	r.Body = append(r.Body, `{"operations":[`...)
	for i := range t.lot() {
		if i > 0 {
			r.Body = append(r.Body, ',')
		}
		r.Body = append(r.Body, `{"op":"put","key":"`...)
		r.Body = append(r.Body, key(n*t.lot()+i)...)
		r.Body = append(r.Body, `","value":"`...)
		r.Body = base64.StdEncoding.AppendEncode(r.Body, value(n*t.lot()+i))
		r.Body = append(r.Body, `"}`...)
	}
	r.Body = append(r.Body, "]}"...)
}
