package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/certs/certstest"
)

// secured is a server with a certificate of an authority of the test's own,
// which demands certificates of its callers.
type secured struct {
	*server
	ca, cert, key string // files of a caller
}

func serveTLS(t *testing.T) secured {
	t.Helper()
	a, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "server", 2)
	ca := a.WriteCA(dir)
	s := secured{ca: ca}
	s.cert, s.key = a.Write(dir, "client", 3)
	s.server = serve(t, []string{"TRIVET_TLS_CERT=" + cert, "TRIVET_TLS_KEY=" + key, "TRIVET_TLS_CLIENT_CA=" + ca}, "--admin-listen", "127.0.0.1:0")
	if !strings.HasPrefix(s.url, "https://127.0.0.1:") {
		t.Fatalf("it serves on %s", s.url)
	}
	return s
}

func TestCertificatesOfFlagsVariablesAndContexts(t *testing.T) {
	t.Parallel()
	s := serveTLS(t)
	if r := trivet(t, "", nil, "kv", "put", "ns", "k", "v", "--url", s.url, "--ca-file", s.ca, "--cert", s.cert, "--key", s.key); r.code != exitOK {
		t.Fatalf("flags: %+v", r)
	}
	variables := []string{"TRIVET_URL=" + s.url, "TRIVET_CA_FILE=" + s.ca, "TRIVET_CERT_FILE=" + s.cert, "TRIVET_KEY_FILE=" + s.key}
	if r := trivet(t, "", variables, "kv", "get", "ns", "k"); r.code != exitOK || r.out != "v" {
		t.Errorf("variables: %+v", r)
	}
	cfg := filepath.Join(t.TempDir(), "config.yaml")
	environ := []string{"TRIVET_CONFIG=" + cfg}
	if r := trivet(t, "", environ, "context", "set", "prod", "--url", s.url, "--ca-file", s.ca, "--cert", s.cert, "--key", s.key); r.code != exitOK {
		t.Fatalf("context set: %+v", r)
	}
	for name, args := range map[string][]string{
		"one request":   {"kv", "get", "ns", "k"},
		"an export":     {"export", "ns"},
		"a load":        {"bench", "--duration", "100ms", "--connections", "2", "--keys", "10"},
		"named by hand": {"kv", "get", "ns", "k", "--context", "prod"},
	} {
		if r := trivet(t, "", environ, args...); r.code != exitOK {
			t.Errorf("%s with the context: %+v", name, r)
		}
	}
	if r := trivet(t, "", environ, "context", "show"); !strings.Contains(r.out, "authorities  "+s.ca) || !strings.Contains(r.out, "key          "+s.key) {
		t.Errorf("context show: %+v", r)
	}

	// The context's certificates are for its own server.
	if r := trivet(t, "", environ, "kv", "get", "ns", "k", "--url", s.url, "--timeout", "5s"); r.code != exitUnavailable || !strings.Contains(r.err, "certificate is not trusted") {
		t.Errorf("another URL: %+v", r)
	}
	if r := trivet(t, "", environ, "context", "set", "prod", "--cert", "", "--key", ""); r.code != exitOK {
		t.Errorf("forget the certificate: %+v", r)
	}
	if r := trivet(t, "", environ, "kv", "get", "ns", "k", "--timeout", "1s"); r.code != exitUnavailable {
		t.Errorf("without a certificate: %+v", r)
	}
}

func TestCertificatesThatCannotWorkAreWrongUsage(t *testing.T) {
	t.Parallel()
	a, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "client", 2)
	_, otherKey := a.Write(dir, "other", 3)
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		text string
	}{
		"a file that is not there":   {[]string{"kv", "get", "ns", "k", "--ca-file", filepath.Join(dir, "none")}, "--ca-file"},
		"no certificates":            {[]string{"kv", "get", "ns", "k", "--ca-file", empty}, "TRIVET_CA: it holds no PEM certificate"},
		"a certificate alone":        {[]string{"kv", "get", "ns", "k", "--cert", cert}, "have to be given together"},
		"another key":                {[]string{"kv", "get", "ns", "k", "--cert", cert, "--key", otherKey}, "not a certificate and its key"},
		"a context with one of both": {[]string{"context", "set", "a", "--url", "https://host", "--key", key}, "--cert and --key together"},
	} {
		if r := trivet(t, "", nil, tt.args...); r.code != exitUsage || !strings.Contains(r.err, tt.text) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
