//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// host is where pods reach what runs on this machine.
func host() string {
	if address := os.Getenv("TRIVET_E2E_HOST"); address != "" {
		return address
	}
	return "10.244.0.1"
}

// everybody lets pods log in to the database, over TLS alone.
const everybody = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nhostssl all all 0.0.0.0/0 scram-sha-256\n"

// startServers runs PostgreSQL, Redis and RabbitMQ, and gives a platform on
// them: no cloud, no vault, passwords.
func startServers(t *testing.T, namespace string) *platform.Platform {
	t.Helper()
	out := func(text string) pulumi.StringOutput { return pulumi.String(text).ToStringOutput() }
	secret := func(text string) platform.Secret {
		return platform.Secret{Value: pulumi.ToSecret(pulumi.String(text)).(pulumi.StringOutput)}
	}

	rules := filepath.Join(t.TempDir(), "pg_hba.conf")
	if err := os.WriteFile(rules, []byte(everybody), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(rules); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // the server has an account of its own
			t.Fatal(err)
		}
	}
	database := testserver.NewPostgres(t, "listen_addresses = '*'", "hba_file = '"+rules+"'")
	cert, key := certificate(t)
	if err := database.Certify(t.Context(), cert, key); err != nil {
		t.Fatal(err)
	}
	name, err := database.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	admin, databasePort := parse(t, database.URL(name))

	password := rand.Text()
	redis := testserver.NewRedis(t, "bind 0.0.0.0", "protected-mode no", "user default off", "user trivet on >"+password+" ~* &* +@all")
	_, cachePort := parse(t, redis.URL())

	brokerPort, err := testserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	rabbit := testserver.NewRabbitMQ(t, fmt.Sprintf("listeners.tcp.pods = %s:%d", host(), brokerPort))
	broker, _ := parse(t, rabbit.URL())

	return &platform.Platform{
		Cloud: "none", Region: "here", Domain: "trivet.test", Zones: 1,
		Cluster: platform.ClusterAccess{
			Name: out("e2e"), Kubeconfig: out("{}"), KubeconfigCommand: out("true"), Namespace: namespace,
		},
		Database: platform.DatabaseEndpoint{
			Host: out(host()), Port: databasePort, Name: name, Login: platform.LoginPassword,
			Admin: secret(login(t, admin)), Roots: out(string(cert)), MaxConns: 400, CIDRs: []string{host() + "/32"},
		},
		Cache: platform.CacheEndpoint{
			URL: out(fmt.Sprintf("redis://%s:%d", host(), cachePort)), User: "trivet", Password: secret(password),
			Port: cachePort, CIDRs: []string{host() + "/32"},
		},
		Broker: &platform.BrokerEndpoint{
			URL: out(fmt.Sprintf("amqp://%s:%d/", host(), brokerPort)), Login: secret(login(t, broker)),
			Port: brokerPort, CIDRs: []string{host() + "/32"},
		},
		Edge: platform.EdgeEndpoint{
			APIHost: "api.trivet.test", NodePort: nodePort, StaticPort: nodePort + 1, SourceCIDRs: []string{"0.0.0.0/0"},
		},
		Nodes: platform.NodeScaling{Kind: "none"},
	}
}

func parse(t *testing.T, text string) (of *url.URL, port int) {
	t.Helper()
	of, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(of.Port(), &port); err != nil {
		t.Fatal(err)
	}
	return of, port
}

func login(t *testing.T, of *url.URL) string {
	t.Helper()
	password, _ := of.User.Password()
	text, err := json.Marshal(map[string]string{"username": of.User.Username(), "password": password})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// certificate makes one of this machine, which is its own authority.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "database"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP(host())}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}
