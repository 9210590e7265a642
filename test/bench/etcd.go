package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
)

// etcd is one member with fsync on, spoken to through its JSON gateway. Its
// settings differ from the defaults where that helps it: its log is quiet, it
// takes snapshots a tenth as often, and its data may grow as long as the run
// does. A listener for HTTP alone was tried: reads are as fast, writes slower.
type etcd struct{ binary string }

func (etcd) name() string { return "etcd" }

func buildEtcd(ctx context.Context, to string) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "building etcd; this takes a minute the first time")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", to, ".")
	cmd.Dir = filepath.Join("test", "peers", "etcd")
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build etcd: %w\n%s", err, out)
	}
	return nil
}

func (e etcd) start(ctx context.Context, dir string) (*instance, error) {
	binary, err := filepath.Abs(e.binary)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	client, peer := "http://"+ports[0], "http://"+ports[1]
	cmd := exec.CommandContext(ctx, binary,
		"--name", "bench", "--data-dir", dir,
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "bench="+peer,
		"--snapshot-count", "100000", "--quota-backend-bytes", "17179869184", "--log-level", "error")
	begin := time.Now()
	inst, err := spawn(cmd, dir+".log")
	if err != nil {
		return nil, err
	}
	inst.url = client
	for {
		res, err := http.Post(client+"/v3/kv/range", "application/json", strings.NewReader(`{"key":"YQ=="}`)) //nolint:noctx // answered at once, or tried again
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				inst.started = time.Since(begin)
				return inst, nil
			}
		}
		select {
		case <-inst.ended:
			return nil, fmt.Errorf("etcd ended: %v; see %s.log", inst.cmd.ProcessState, dir)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Since(begin) > startWithin {
			return nil, errors.Join(fmt.Errorf("etcd did not answer within %v", startWithin), inst.stop())
		}
	}
}

// freePorts finds addresses that nothing listens on. They are all held until
// the last is found, so that they differ.
func freePorts(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		addresses[i] = l.Addr().String()
	}
	return addresses, nil
}

func (etcd) put(d *dataset) load.Mix {
	return func(r *load.Request, rng *rand.Rand) {
		r.Method = http.MethodPost
		r.Target = append(r.Target, "/v3/kv/put"...)
		r.Header = append(r.Header, "Content-Type: application/json\r\n"...)
		r.Body = append(append(r.Body, `{"key":"`...), d.key(rng).base64...)
		r.Body = append(append(r.Body, `","value":"`...), d.value(rng).base64...)
		r.Body = append(r.Body, `"}`...)
	}
}

func (etcd) get(d *dataset) load.Mix {
	return func(r *load.Request, rng *rand.Rand) {
		r.Method = http.MethodPost
		r.Target = append(r.Target, "/v3/kv/range"...)
		r.Header = append(r.Header, "Content-Type: application/json\r\n"...)
		r.Body = append(append(r.Body, `{"key":"`...), d.key(rng).base64...)
		r.Body = append(r.Body, `"}`...)
	}
}

// lot is the largest number of operations that a transaction takes by default.
func (etcd) lot() int { return 128 }

func (e etcd) fill(r *load.Request, key, value func(i int) []byte, n int) {
	r.Method = http.MethodPost
	r.Target = append(r.Target, "/v3/kv/txn"...)
	r.Header = append(r.Header, "Content-Type: application/json\r\n"...)
	r.Body = append(r.Body, `{"success":[`...)
	for i := range e.lot() {
		if i > 0 {
			r.Body = append(r.Body, ',')
		}
		r.Body = append(r.Body, `{"requestPut":{"key":"`...)
		r.Body = base64.StdEncoding.AppendEncode(r.Body, key(n*e.lot()+i))
		r.Body = append(r.Body, `","value":"`...)
		r.Body = base64.StdEncoding.AppendEncode(r.Body, value(n*e.lot()+i))
		r.Body = append(r.Body, `"}}`...)
	}
	r.Body = append(r.Body, "]}"...)
}
