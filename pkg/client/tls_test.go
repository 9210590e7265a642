package client_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trivetkv/trivet/pkg/certs/certstest"
	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

// serveTLS starts a server that demands certificates of an authority, and
// counts the connections that are made to it.
func serveTLS(t *testing.T, a *certstest.Authority) (url string, connections *atomic.Int64) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"7"`)
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{a.Pair("server", 2)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.Pool(),
		MinVersion: tls.VersionTLS12,
	}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	connections = new(atomic.Int64)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, connections
}

func TestCertificatesOfBothSides(t *testing.T) {
	t.Parallel()
	a, stranger := certstest.NewAuthority(t), certstest.NewAuthority(t)
	url, _ := serveTLS(t, a)
	for name, tt := range map[string]struct {
		tls  *tls.Config
		text string
	}{
		"both":              {&tls.Config{RootCAs: a.Pool(), Certificates: []tls.Certificate{a.Pair("client", 3)}}, ""},
		"nothing":           {nil, "the server's certificate is not trusted"},
		"another authority": {&tls.Config{RootCAs: stranger.Pool(), Certificates: []tls.Certificate{a.Pair("client", 3)}}, "the server's certificate is not trusted"},
		"none of its own":   {&tls.Config{RootCAs: a.Pool()}, "the server could not be reached"},
		"a stranger's":      {&tls.Config{RootCAs: a.Pool(), Certificates: []tls.Certificate{stranger.Pair("client", 3)}}, "the server could not be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := client.New(client.Options{URL: url, TLS: tt.tls, Retry: client.Retry{Attempts: 1}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			entry, err := c.Get(t.Context(), "ns", "k", kv.ReadOptions{})
			switch {
			case tt.text == "" && (err != nil || string(entry.Value) != "HTTP/2.0"):
				t.Errorf("got %q, %v", entry.Value, err)
			case tt.text != "" && (kv.CodeOf(err) != kv.CodeUnavailable || !strings.Contains(err.Error(), tt.text)):
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestACertificateThatIsNotTrustedIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	url, connections := serveTLS(t, certstest.NewAuthority(t))
	c, err := client.New(client.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.Get(t.Context(), "ns", "k", kv.ReadOptions{}); kv.CodeOf(err) != kv.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
	since := kv.Position(0)
	for _, err := range c.Watch(t.Context(), "ns", client.WatchOptions{Since: &since}) {
		if kv.CodeOf(err) != kv.CodeUnavailable {
			t.Errorf("the watch: %v", err)
		}
	}
}

func TestATransportHasItsOwnCertificates(t *testing.T) {
	t.Parallel()
	_, err := client.New(client.Options{URL: "https://host", TLS: &tls.Config{}, Transport: http.DefaultTransport})
	if kv.CodeOf(err) != kv.CodeInvalidArgument {
		t.Errorf("got %v", err)
	}
}
