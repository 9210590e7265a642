package server_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/certs"
	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/services/api/server"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// issue makes a certificate with a serial number, and its key, as PEM.
func (a *authority) issue(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (a *authority) pair(t *testing.T) tls.Certificate {
	t.Helper()
	cert, key := a.issue(t, 99)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// caller is a client that trusts the authority, speaks HTTP/2, and has a certificate
// where one is given.
func (a *authority) caller(t *testing.T, h2 bool, pair ...tls.Certificate) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	transport := &http.Transport{ForceAttemptHTTP2: h2, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: pair, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// tlsRig is a secured server and an admin server with one certificate.
type tlsRig struct {
	*rig
	*authority
	reloader *certs.Reloader
	files    certs.Files
	admin    string
}

func startTLS(t *testing.T, clients bool) *tlsRig {
	t.Helper()
	r := &tlsRig{authority: newAuthority(t)}
	dir := t.TempDir()
	cert, key := r.issue(t, 10)
	r.files = certs.Files{Cert: writeFile(t, filepath.Join(dir, "crt"), cert), Key: writeFile(t, filepath.Join(dir, "key"), key)}
	if clients {
		r.files.ClientCA = writeFile(t, filepath.Join(dir, "ca"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw}))
	}
	var err error
	if r.reloader, err = certs.New(r.files, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	readiness := new(health.Readiness)
	r.rig = secured(t, func(o *server.Options) { o.Certificates, o.Readiness = r.reloader, readiness })
	admin := health.NewServer(health.ServerOptions{
		Address: "127.0.0.1:0", Readiness: readiness, Metrics: telemetry.NewRegistry(), Certificates: r.reloader, Logger: slog.New(slog.DiscardHandler),
	})
	if err := admin.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Stop(t.Context()) })
	r.admin = "https://" + admin.Addr().String()
	return r
}

// ask makes a request as root.
func (r *tlsRig) ask(client *http.Client, method, url, body string) (*http.Response, error) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	response, err := client.Do(req)
	if err == nil {
		r.t.Cleanup(func() { _ = response.Body.Close() })
	}
	return response, err
}

func TestBothListenersServeTLSAndHTTP2(t *testing.T) {
	t.Parallel()
	r := startTLS(t, false)
	for _, h2 := range []bool{true, false} {
		client := r.caller(t, h2)
		for method, url := range map[string]string{http.MethodPut: "https://" + r.host + "/v1/kv/ns/k", http.MethodGet: r.admin + "/ready"} {
			response, err := r.ask(client, method, url, "")
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode >= 300 || response.ProtoMajor == 2 != h2 || response.TLS.Version < tls.VersionTLS12 {
				t.Errorf("%s: got %s over %s", url, response.Status, response.Proto)
			}
		}
	}
	// Plain HTTP and old versions of TLS get nowhere.
	if response, err := http.Get("http://" + r.host + "/health"); err == nil {
		_ = response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP was answered with %s", response.Status)
		}
	}
	for _, address := range []string{r.host, strings.TrimPrefix(r.admin, "https://")} {
		old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		if conn, err := tls.Dial("tcp", address, old); err == nil {
			_ = conn.Close()
			t.Error("TLS 1.1 is accepted")
		}
	}
}

func TestStreamsRunOverHTTP2(t *testing.T) {
	t.Parallel()
	r := startTLS(t, false)
	client := r.caller(t, true)
	var made token
	response, err := r.ask(client, http.MethodPost, "https://"+r.host+"/v1/tokens", `{"scopes":[{"namespace":"ns","access":["read"]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer{t: t, body: body}.json(&made)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.host+"/v1/watch/ns", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+made.Token)
	stream, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	if stream.ProtoMajor != 2 || stream.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %s %s", stream.Proto, stream.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(stream.Body)
	next := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "event: ") {
				if lines.Text() != "event: "+want {
					t.Fatalf("got %s, want %s", lines.Text(), want)
				}
				return
			}
		}
		t.Fatalf("the stream ended before %s: %v", want, lines.Err())
	}
	// Over the same connection as the stream.
	if _, err := r.ask(client, http.MethodPut, "https://"+r.host+"/v1/kv/ns/k", "v"); err != nil {
		t.Fatal(err)
	}
	next("put")
	if _, err := r.ask(client, http.MethodDelete, "https://"+r.host+"/v1/tokens/"+made.ID, ""); err != nil {
		t.Fatal(err)
	}
	next("error")
}

func TestClientCertificatesAreAskedForAndRotated(t *testing.T) {
	t.Parallel()
	r := startTLS(t, true)
	data := "https://" + r.host + "/v1/namespaces"
	stranger := newAuthority(t)
	if _, err := r.ask(r.caller(t, true), http.MethodGet, data, ""); err == nil {
		t.Error("a client without a certificate was let in")
	}
	if _, err := r.ask(r.caller(t, true, stranger.pair(t)), http.MethodGet, data, ""); err == nil {
		t.Error("a client of another authority was let in")
	}
	known := r.caller(t, true, r.pair(t))
	response, err := r.ask(known, http.MethodGet, data, "")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", response, err)
	}
	// A certificate alone is nobody's token.
	if response, err := known.Get(data); err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %v, %v", response, err)
	} else {
		_ = response.Body.Close()
	}
	// Probes have no certificate.
	if response, err := r.ask(r.caller(t, true), http.MethodGet, r.admin+"/health", ""); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("a probe: %v, %v", response, err)
	}

	// New files are in force for the next connections, on both listeners; the
	// one that is open goes on.
	cert, key := r.issue(t, 11)
	writeFile(t, r.files.Cert, cert)
	writeFile(t, r.files.Key, key)
	writeFile(t, r.files.ClientCA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: stranger.cert.Raw}))
	if changed, err := r.reloader.Reload(); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if response, err := r.ask(known, http.MethodGet, data, ""); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the open connection: %v, %v", response, err)
	}
	for url, client := range map[string]*http.Client{data: r.caller(t, true, stranger.pair(t)), r.admin + "/health": r.caller(t, true)} {
		response, err := r.ask(client, http.MethodGet, url, "")
		if err != nil || response.TLS.PeerCertificates[0].SerialNumber.Int64() != 11 {
			t.Errorf("%s after the rotation: %v, %v", url, response, err)
		}
	}
	if _, err := r.ask(r.caller(t, true, r.pair(t)), http.MethodGet, data, ""); err == nil {
		t.Error("a client of the former authority was let in")
	}
}

// Requests that are traced have all that others have.
func TestTracedRequestsStream(t *testing.T) {
	t.Parallel()
	r := secured(t, func(o *server.Options) { o.Traced = true })
	made := r.newToken(may("ns", auth.Read))
	events := r.watch("/v1/watch/ns", "Authorization", "Bearer "+made.Token)
	r.do(http.MethodPut, "/v1/kv/ns/k", as(rootToken), strings.Repeat("v", 1<<20)).want(http.StatusCreated, "")
	if got := <-events; got.kind != "put" {
		t.Errorf("got %+v", got)
	}
}
