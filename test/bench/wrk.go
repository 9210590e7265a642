package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// wrkProgram drives closed loops. It takes the least of the processor, which
// the systems under test have to share with it: with a generator that needs as
// much as they do, one measures the generator.
var wrkProgram = testserver.Program{
	Name:     "the load generator wrk",
	Binary:   "wrk",
	Packages: []string{"wrk"},
	Others:   "Fedora: sudo dnf install wrk. macOS: brew install wrk. From source: github.com/wg/wrk.",
}

//go:embed wrk.lua
var wrkScript []byte

// wrk is the generator of closed loops.
type wrk struct {
	binary string
	script string
}

func newWrk(ctx context.Context, dir string) (wrk, error) {
	binary, err := wrkProgram.Find(ctx)
	if err != nil {
		return wrk{}, err
	}
	w := wrk{binary: binary, script: filepath.Join(dir, "wrk.lua")}
	return w, os.WriteFile(w.script, wrkScript, 0o600)
}

// outcome is what came of one closed loop.
type outcome struct {
	Requests int64   `json:"requests"` // answered
	Bytes    int64   `json:"bytes"`    // of answers, with their headers
	Micros   int64   `json:"micros"`   // that it took
	Failed   int64   `json:"failed"`
	P50      float64 `json:"p50"` // microseconds
	P99      float64 `json:"p99"`

	generator time.Duration // processor time that wrk took in all
}

func (o outcome) rate() float64 { return float64(o.Requests) / (float64(o.Micros) / 1e6) }

// madeRequests is the number of requests that a closed loop repeats.
const madeRequests = 100_000

// prepare writes requests for a closed loop to a file and gives its path.
func (w wrk) prepare(address string, mix load.Mix) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	rng := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a choice of keys, the same in every run
	var data, wire []byte
	for range madeRequests {
		r := load.Request{Method: "GET"}
		mix(&r, rng)
		wire = r.AppendWire(wire[:0], u.Host)
		n := len(wire)
		data = append(append(data, byte(n>>16), byte(n>>8), byte(n)), wire...) //nolint:gosec // three bytes of a length
	}
	f, err := os.CreateTemp(filepath.Dir(w.script), "requests-")
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	return f.Name(), nil
}

// run keeps connections busy with the requests of a file, each with one at a
// time.
func (w wrk) run(ctx context.Context, address, requests string, connections int, duration time.Duration) (o outcome, err error) {
	seconds := strconv.Itoa(max(1, int(duration.Round(time.Second)/time.Second)))
	cmd := exec.CommandContext(ctx, w.binary, //nolint:gosec // our own arguments
		"-t1", "-c"+strconv.Itoa(connections), "-d"+seconds+"s", "--timeout", "10s", "-s", w.script, address, "--", requests)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return o, fmt.Errorf("wrk: %w: %s", err, stderr.Bytes())
	}
	line := out[bytes.LastIndexByte(out, '{'):]
	if err := json.Unmarshal(line, &o); err != nil {
		return o, fmt.Errorf("wrk: %w in %s", err, out)
	}
	if o.Failed > 0 {
		return o, fmt.Errorf("%d of %d requests failed", o.Failed, o.Requests)
	}
	o.generator = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return o, nil
}
