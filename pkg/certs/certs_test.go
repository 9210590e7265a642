package certs_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/certs"
	"github.com/trivetkv/trivet/pkg/certs/certstest"
)

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func serve(t *testing.T, files certs.Files) (*certs.Reloader, string) {
	t.Helper()
	r, err := certs.New(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	server.TLS = r.Config()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return r, server.URL
}

// get asks once on a new connection and gives the server certificate's serial.
func get(t *testing.T, a *certstest.Authority, url string, client ...tls.Certificate) (int64, error) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: a.Pool(), Certificates: client, MinVersion: tls.VersionTLS12}}
	response, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return response.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestACertificateIsReadAgainWithoutARestart(t *testing.T) {
	t.Parallel()
	a, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "server", 7)
	r, url := serve(t, certs.Files{Cert: cert, Key: key})
	if serial, err := get(t, a, url); err != nil || serial != 7 {
		t.Fatalf("serial %d, %v", serial, err)
	}
	if changed, err := r.Reload(); changed || err != nil {
		t.Fatalf("unchanged files: %t, %v", changed, err)
	}

	write(t, key, []byte("half written"))
	if _, err := r.Reload(); err == nil {
		t.Fatal("a key that does not fit was taken")
	}
	if serial, err := get(t, a, url); err != nil || serial != 7 {
		t.Fatalf("after a bad reload: serial %d, %v", serial, err)
	}

	a.Write(dir, "server", 8)
	if changed, err := r.Reload(); !changed || err != nil {
		t.Fatalf("new files: %t, %v", changed, err)
	}
	if serial, err := get(t, a, url); err != nil || serial != 8 {
		t.Fatalf("serial %d, %v", serial, err)
	}
}

func TestClientCertificatesAreDemanded(t *testing.T) {
	t.Parallel()
	a, stranger, dir := certstest.NewAuthority(t), certstest.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "server", 1)
	_, url := serve(t, certs.Files{Cert: cert, Key: key, ClientCA: a.WriteCA(dir)})

	if _, err := get(t, a, url); err == nil {
		t.Fatal("a client without a certificate was let in")
	}
	for _, test := range []struct {
		name   string
		issuer *certstest.Authority
		good   bool
	}{{"known", a, true}, {"stranger", stranger, false}} {
		if _, err := get(t, a, url, test.issuer.Pair(test.name, 2)); (err == nil) != test.good {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestFilesThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	a, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "server", 1)
	_, otherKey := a.Write(dir, "other", 2)
	empty := filepath.Join(dir, "empty.crt")
	write(t, empty, nil)
	for name, files := range map[string]certs.Files{
		"no key":                   {Cert: cert},
		"no certificate":           {Key: key},
		"a missing file":           {Cert: filepath.Join(dir, "none.crt"), Key: key},
		"another key":              {Cert: cert, Key: otherKey},
		"client authorities alone": {ClientCA: cert},
		"no client authority":      {Cert: cert, Key: key, ClientCA: empty},
	} {
		if _, err := certs.New(files, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// serial gives the serial number of the certificate that a listener would show
// now.
func serial(t *testing.T, config *tls.Config) int64 {
	t.Helper()
	current, err := config.GetConfigForClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	return current.Certificates[0].Leaf.SerialNumber.Int64()
}

// TestFilesAreLookedAtWhileItRuns runs on a clock of its own.
func TestFilesAreLookedAtWhileItRuns(t *testing.T) {
	t.Parallel()
	a, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "server", 7)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r, err := certs.New(certs.Files{Cert: cert, Key: key, ClientCA: a.WriteCA(dir)}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait := func() {
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		a.Write(dir, "server", 8)
		wait()
		if all, probes := serial(t, r.Config()), serial(t, r.ProbeConfig()); all != 8 || probes != 8 {
			t.Errorf("listeners show the certificates %d and %d", all, probes)
		}
		write(t, key, []byte("half written"))
		wait()
		if got := serial(t, r.Config()); got != 8 {
			t.Errorf("after half a file: %d", got)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if text := log.String(); strings.Count(text, "read again") != 1 || strings.Count(text, "cannot be used") != 1 || strings.Contains(text, "half written") {
			t.Errorf("the log:\n%s", text)
		}
		a.Write(dir, "server", 9)
		wait()
		if got := serial(t, r.Config()); got != 8 {
			t.Errorf("after the stop: %d", got)
		}
	})
}

func TestProbesNeedNoCertificate(t *testing.T) {
	t.Parallel()
	a, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "server", 7)
	r, err := certs.New(certs.Files{Cert: cert, Key: key, ClientCA: a.WriteCA(dir)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		config *tls.Config
		want   tls.ClientAuthType
	}{"data": {r.Config(), tls.RequireAndVerifyClientCert}, "probes": {r.ProbeConfig(), tls.NoClientCert}} {
		current, err := tt.config.GetConfigForClient(nil)
		if err != nil || current.ClientAuth != tt.want || current.MinVersion < tls.VersionTLS12 {
			t.Errorf("%s: %v, version %x, %v", name, current.ClientAuth, current.MinVersion, err)
		}
	}
}
