//go:build unix

package testserver

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var prometheusProgram = Program{
	Name:     "Prometheus",
	Binary:   "prometheus",
	Packages: []string{"prometheus"},
	Others:   "Fedora: sudo dnf install golang-github-prometheus. macOS: brew install prometheus.",
}

// Prometheus is a Prometheus server.
type Prometheus struct {
	*Server
	addr string
}

// StartPrometheus runs a Prometheus server with a configuration file's text.
func StartPrometheus(ctx context.Context, config string) (*Prometheus, error) {
	path, err := prometheusProgram.Find(ctx)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := NewDir("prometheus", nil)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("configure Prometheus: %w", err)
	}
	p := &Prometheus{addr: loopback(port)}
	p.Server, err = Start(ctx, Spec{
		Name: "Prometheus", Path: path, Dir: dir, Ready: p.ready,
		Args: []string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + p.addr},
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// NewPrometheus gives a test a Prometheus server of its own.
func NewPrometheus(tb testing.TB, config string) *Prometheus {
	tb.Helper()
	return Own(tb, func(ctx context.Context) (*Prometheus, error) { return StartPrometheus(ctx, config) })
}

// URL gives the server's URL.
func (p *Prometheus) URL() string { return "http://" + p.addr }

func (p *Prometheus) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"/-/ready", http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}
