package signal_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/trivetkv/trivet/pkg/certs/certstest"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// TestPodsProveWhoTheyAre asks pods by their address: one whose certificate is
// for the workload, one of another workload, and one of another authority.
func TestPodsProveWhoTheyAre(t *testing.T) {
	t.Parallel()
	ours, theirs := certstest.NewAuthority(t), certstest.NewAuthority(t)
	pod := func(a *certstest.Authority) string {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{a.Pair("pod", 2)}, MinVersion: tls.VersionTLS12}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.URL
	}
	ask := func(client *http.Client, url string) error {
		answer, err := client.Get(url)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err
	}
	dir := t.TempDir()
	authorities := ours.WriteCA(dir)
	client := signal.NewClient(authorities, "127.0.0.1")
	if err := ask(client, pod(ours)); err != nil {
		t.Error(err)
	}
	if ask(client, pod(theirs)) == nil {
		t.Error("a pod of another authority was believed")
	}
	if ask(signal.NewClient(authorities, "another-workload"), pod(ours)) == nil {
		t.Error("a pod of another workload was believed")
	}
	theirs.WriteCA(dir) // the authority is renewed
	if err := ask(client, pod(theirs)); err != nil {
		t.Errorf("after a renewal: %v", err)
	}
	if ask(signal.NewClient(filepath.Join(dir, "missing"), "127.0.0.1"), pod(ours)) == nil {
		t.Error("nobody was asked who vouches for the pod")
	}
	if err := ask(signal.NewClient("", ""), pod(ours)); err == nil {
		t.Error("without authorities of its own, a client trusts the system's alone")
	}
}
