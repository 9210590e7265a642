package limit_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/certs/certstest"
	"github.com/trivetkv/trivet/pkg/limit"
)

// TestAnEvictionDoesNotWaitForAPeerThatDoesNotRead has the farewell of TLS to
// write, which nobody takes: the accept loop must not wait for it.
func TestAnEvictionDoesNotWaitForAPeerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	a := certstest.NewAuthority(t)
	near, far := net.Pipe() // without a buffer: a write waits for its reader
	defer far.Close()
	secure := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{a.Pair("server", 2)}, MinVersion: tls.VersionTLS12})
	peer := tls.Client(far, &tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12})
	shaken := make(chan error, 1)
	go func() { shaken <- peer.Handshake() }()
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}

	conns := limit.NewConns(1)
	conns.Track(secure, http.StateNew)
	conns.Track(secure, http.StateIdle)
	other, end := net.Pipe()
	defer end.Close()
	evicted := make(chan struct{})
	go func() {
		defer close(evicted)
		conns.Track(other, http.StateNew)
	}()
	select {
	case <-evicted:
	case <-time.After(4 * time.Second): // TLS would wait for 5
		t.Fatal("the new connection waits for the old one's peer")
	}
	if _, err := far.Read(make([]byte, 1)); err == nil {
		t.Error("the evicted connection is open")
	}
	if conns.Open() != 1 || conns.Evicted() != 1 {
		t.Errorf("%d connections are open, %d were evicted", conns.Open(), conns.Evicted())
	}
}

func TestAGateTellsWhatACallerHas(t *testing.T) {
	t.Parallel()
	g := limit.NewGate(100, 60)
	for range 2 {
		if _, ok := g.Enter("a", 25); !ok {
			t.Fatal("refused within the bound")
		}
	}
	g.Leave("a", 10)
	if a, b := g.InUseBy("a"), g.InUseBy("b"); a != 40 || b != 0 || g.PerCaller() != 60 {
		t.Errorf("a has %d, b %d, of %d", a, b, g.PerCaller())
	}
}
