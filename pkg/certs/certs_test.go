package certs_test

import (
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
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/certs"
)

// authority signs certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}
}

// issue writes a certificate and its key to dir and gives the files' names.
func (a *authority) issue(t *testing.T, dir, name string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return cert, key
}

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
func get(t *testing.T, a *authority, url string, client ...tls.Certificate) (int64, error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: client, MinVersion: tls.VersionTLS12}}
	response, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return response.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestACertificateIsReadAgainWithoutARestart(t *testing.T) {
	t.Parallel()
	a, dir := newAuthority(t), t.TempDir()
	cert, key := a.issue(t, dir, "server", 7)
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

	a.issue(t, dir, "server", 8)
	if changed, err := r.Reload(); !changed || err != nil {
		t.Fatalf("new files: %t, %v", changed, err)
	}
	if serial, err := get(t, a, url); err != nil || serial != 8 {
		t.Fatalf("serial %d, %v", serial, err)
	}
}

func TestClientCertificatesAreDemanded(t *testing.T) {
	t.Parallel()
	a, stranger, dir := newAuthority(t), newAuthority(t), t.TempDir()
	cert, key := a.issue(t, dir, "server", 1)
	ca := filepath.Join(dir, "ca.crt")
	write(t, ca, a.pem)
	_, url := serve(t, certs.Files{Cert: cert, Key: key, ClientCA: ca})

	if _, err := get(t, a, url); err == nil {
		t.Fatal("a client without a certificate was let in")
	}
	for _, test := range []struct {
		name   string
		issuer *authority
		good   bool
	}{{"known", a, true}, {"stranger", stranger, false}} {
		c, k := test.issuer.issue(t, dir, test.name, 2)
		pair, err := tls.LoadX509KeyPair(c, k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := get(t, a, url, pair); (err == nil) != test.good {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestFilesThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	a, dir := newAuthority(t), t.TempDir()
	cert, key := a.issue(t, dir, "server", 1)
	_, otherKey := a.issue(t, dir, "other", 2)
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
