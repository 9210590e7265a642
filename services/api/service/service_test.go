package service_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/trivetkv/trivet/pkg/certs/certstest"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/process"
	"github.com/trivetkv/trivet/services/api/service"
)

const rootToken = "a-root-token-of-more-than-32-characters"

// configuration is what main reads of the environment.
type configuration struct {
	api      config.API
	users    config.OIDC
	settings process.Settings
}

// load reads the configuration of a service on free ports and a directory of
// the test's own, with more variables behind.
func load(t *testing.T, environ ...string) (configuration, error) {
	t.Helper()
	var c configuration
	c.settings.Logger = slog.New(slog.DiscardHandler)
	err := config.Load(append([]string{
		"TRIVET_LISTEN=127.0.0.1:0", "TRIVET_ADMIN_LISTEN=" + free(t), "TRIVET_ROOT_TOKEN=" + rootToken, "TRIVET_DRAIN_DELAY=0s",
		"TRIVET_DATABASE_URL=" + (&url.URL{Scheme: "pebble", Path: filepath.Join(t.TempDir(), "store")}).String(),
	}, environ...), &c.api, &c.users, &c.settings.TLS, &c.settings.Admin, &c.settings.Backends, &c.settings.Process)
	return c, err
}

// free gives an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// running is a service within a process.
type running struct {
	t     *testing.T
	host  *process.Host
	data  string // addresses
	admin string
	stop  func() error // stops the process and gives its end
}

// start runs the service until the test's end.
func start(t *testing.T, environ ...string) *running {
	t.Helper()
	cfg, err := load(t, environ...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, admin: string(cfg.settings.Admin.Listen)}
	started, ended := make(chan struct{}), make(chan error, 1)
	cfg.settings.Started = func() { close(started) }
	go func() {
		ended <- process.Run(ctx, cfg.settings, func(ctx context.Context, host *process.Host) error {
			data, err := service.New(cfg.api, cfg.users, host)
			if err != nil {
				return err
			}
			if err := host.Start(ctx, "data API", data); err != nil {
				return err
			}
			r.host, r.data = host, data.Addr().String()
			return nil
		})
	}()
	r.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	select {
	case <-started:
	case err := <-ended:
		t.Fatalf("it ended before it served: %v", err)
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("the end: %v", err)
		}
	})
	return r
}

// ask sends a request and gives the status of its answer.
func (r *running) ask(client *http.Client, method, url, token string) int {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader("v"))
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func TestEveryPartIsServed(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, tt := range []struct {
		method, url, token string
		want               int
	}{
		{http.MethodPut, "http://" + r.data + "/v1/kv/ns/k", rootToken, http.StatusCreated},
		{http.MethodGet, "http://" + r.data + "/v1/kv/ns/k", "", http.StatusUnauthorized},
		{http.MethodGet, "http://" + r.data + "/v1/kv/ns/k", "tvt_unknown", http.StatusUnauthorized},
		{http.MethodGet, "http://" + r.data + "/v1/tokens", rootToken, http.StatusOK},
		{http.MethodGet, "http://" + r.data + "/openapi.json", rootToken, http.StatusOK},
		{http.MethodGet, "http://" + r.data + "/docs", rootToken, http.StatusOK},
		{http.MethodGet, "http://" + r.data + "/metrics", "", http.StatusUnauthorized},
		{http.MethodGet, "http://" + r.data + "/debug/pprof/", rootToken, http.StatusNotFound},
		{http.MethodGet, "http://" + r.admin + "/ready", "", http.StatusOK},
		{http.MethodGet, "http://" + r.admin + "/metrics", "", http.StatusOK},
		{http.MethodGet, "http://" + r.admin + "/debug/pprof/cmdline", "", http.StatusOK},
		{http.MethodGet, "http://" + r.admin + "/v1/kv/ns/k", rootToken, http.StatusNotFound},
	} {
		if got := r.ask(http.DefaultClient, tt.method, tt.url, tt.token); got != tt.want {
			t.Errorf("%s %s with the token %.10q: %d, want %d", tt.method, tt.url, tt.token, got, tt.want)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for _, address := range []string{r.data, r.admin} {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			t.Errorf("%s is open after the stop", address)
		}
	}
	if r.host.Backends.Store.Ping(t.Context()) == nil {
		t.Error("the database is open after the stop")
	}
}

func TestWithoutAuthenticationEverybodyOnThisMachineComesIn(t *testing.T) {
	t.Parallel()
	r := start(t, "TRIVET_AUTH=off", "TRIVET_ROOT_TOKEN=")
	if got := r.ask(http.DefaultClient, http.MethodPut, "http://"+r.data+"/v1/kv/ns/k", ""); got != http.StatusCreated {
		t.Errorf("got %d", got)
	}
}

func TestWhatLetsInEverybodyIsRefused(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string][]string{
		"TRIVET_AUTH":        {"TRIVET_AUTH=off", "TRIVET_LISTEN=:0"},
		"TRIVET_ROOT_TOKEN":  {"TRIVET_ROOT_TOKEN=guess"},
		"TRIVET_OIDC_ISSUER": {"TRIVET_OIDC_ISSUER=https://id.example.com"},
		"TRIVET_TLS_CERT":    {"TRIVET_TLS_CERT=/nowhere/server.crt"},
	} {
		var problem *config.Error
		if _, err := load(t, environ...); !errors.As(err, &problem) || problem.Name != name {
			t.Errorf("%q: %v", environ, err)
		}
	}
}

// TestAnIssuerThatWouldLetInAnybodyIsRefused hands New what Load would have
// refused.
func TestAnIssuerThatWouldLetInAnybodyIsRefused(t *testing.T) {
	t.Parallel()
	cfg, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	cfg.users.Issuer = "https://id.example.com"
	err = process.Run(t.Context(), cfg.settings, func(_ context.Context, host *process.Host) error {
		_, err := service.New(cfg.api, cfg.users, host)
		return err
	})
	var problem *config.Error
	if !errors.As(err, &problem) || problem.Name != "TRIVET_OIDC_ISSUER" || !strings.Contains(problem.Problem, "audience") {
		t.Errorf("got %v", err)
	}
}

func TestAllListenersServeTheCertificate(t *testing.T) {
	t.Parallel()
	a, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "server", 7)
	r := start(t, "TRIVET_TLS_CERT="+cert, "TRIVET_TLS_KEY="+key, "TRIVET_TLS_CLIENT_CA="+a.WriteCA(dir))
	caller := func(pairs ...tls.Certificate) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.Pool(), Certificates: pairs, MinVersion: tls.VersionTLS12}}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	if got := r.ask(caller(a.Pair("client", 8)), http.MethodGet, "https://"+r.data+"/v1/tokens", rootToken); got != http.StatusOK {
		t.Errorf("the data listener answered %d", got)
	}
	if got := r.ask(caller(), http.MethodGet, "https://"+r.admin+"/ready", ""); got != http.StatusOK {
		t.Errorf("the admin listener answered %d to a probe", got)
	}
	if response, err := caller().Get("https://" + r.data + "/health"); err == nil {
		_ = response.Body.Close()
		t.Errorf("the data listener answered %s to a caller without a certificate", response.Status)
	}
	for _, address := range []string{r.data, r.admin} {
		if response, err := http.Get("http://" + address + "/health"); err == nil {
			_ = response.Body.Close()
			if response.StatusCode != http.StatusBadRequest {
				t.Errorf("%s answered %s without TLS", address, response.Status)
			}
		}
	}
}

// loops counts what runs in the background of this process.
func loops() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "created by github.com/trivetkv/trivet/pkg/lifecycle.(*Loop).Start") +
		strings.Count(string(stacks), "services/api/watch.")
}

// TestAStartThatFailsLeavesNothingRunning does not run beside others, whose
// loops it would count.
func TestAStartThatFailsLeavesNothingRunning(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg, err := load(t, "TRIVET_LISTEN="+taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	err = process.Run(t.Context(), cfg.settings, func(ctx context.Context, host *process.Host) error {
		data, err := service.New(cfg.api, cfg.users, host)
		if err != nil {
			return err
		}
		before := loops()
		err = host.Start(ctx, "data API", data)
		if after := loops(); after != before {
			t.Errorf("%d loops run, %d did before", after, before)
		}
		return errors.Join(err, data.Stop(ctx)) // which has nothing left to do
	})
	if err == nil || !strings.Contains(err.Error(), "start data API") || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("got %v", err)
	}
}
