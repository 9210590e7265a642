//go:build unix

package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// certificate makes a certificate of 127.0.0.1 that is its own authority.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "database"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}

// TestTLS verifies the server's certificate, and takes another authority from
// the same file without a new start.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	first, key := certificate(t)
	if err := server.Certify(t.Context(), first, key); err != nil {
		t.Fatal(err)
	}
	roots := filepath.Join(t.TempDir(), "roots.pem")
	trust := func(cert []byte) {
		t.Helper()
		if err := os.WriteFile(roots, cert, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust(first)
	u := parse(t, server.NewURL(t))
	u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {roots}}.Encode()
	s := open(t, postgres.Options{URL: u.String()})
	apply(t, s, increment("n"))

	second, key := certificate(t)
	if err := server.Certify(t.Context(), second, key); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Open(t.Context(), postgres.Options{URL: u.String()}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("a server with a certificate of another authority: %v", err)
	}
	trust(second)
	s.DropConnections()
	apply(t, s, increment("n"))
}
