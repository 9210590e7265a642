package tls

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// A pod serves with these certificates in a rehearsal on a cluster, so its
// clients have to be able to verify them.
func TestCertificatesVerify(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	provider, err := New(standin.NewCloud(), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	session, err := provider.Configure(nil)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(typ, name string, inputs map[string]any) resource.PropertyMap {
		t.Helper()
		r := standin.Resource{URN: resource.URN("urn:pulumi:test::trivet::" + typ + "::" + name), Type: typ, Name: name}
		checked, failures := session.Check(r, resource.NewPropertyMapFromMap(inputs), standin.Naming{})
		if len(failures) > 0 {
			t.Fatal(failures)
		}
		object, err := session.Create(t.Context(), r, checked)
		if err != nil {
			t.Fatal(err)
		}
		if failures := provider.Schema.Check(provider.Schema.Resources[typ].Outputs, object.Outputs); len(failures) > 0 {
			t.Error(failures)
		}
		return object.Outputs
	}
	key := func(name string) string {
		return text(issue("tls:index/privateKey:PrivateKey", name, map[string]any{"algorithm": "ECDSA", "ecdsaCurve": "P256"})["privateKeyPem"])
	}
	authorityKey, serverKey := key("authority"), key("server")
	authority := text(issue("tls:index/selfSignedCert:SelfSignedCert", "authority", map[string]any{
		"privateKeyPem": authorityKey, "isCaCertificate": true, "validityPeriodHours": 87600, "allowedUses": []any{"cert_signing"},
		"subject": map[string]any{"commonName": "trivet"},
	})["certPem"])
	request := text(issue("tls:index/certRequest:CertRequest", "server", map[string]any{
		"privateKeyPem": serverKey, "dnsNames": []any{"api.trivet.svc"}, "ipAddresses": []any{"127.0.0.1"},
	})["certRequestPem"])
	signed := issue("tls:index/locallySignedCert:LocallySignedCert", "server", map[string]any{
		"certRequestPem": request, "caCertPem": authority, "caPrivateKeyPem": authorityKey, "validityPeriodHours": 24,
		"allowedUses": []any{"digital_signature", "server_auth"},
	})

	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(authority)) {
		t.Fatal("the authority's certificate is none")
	}
	block, _ := pem.Decode([]byte(text(signed["certPem"])))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	options := x509.VerifyOptions{Roots: roots, CurrentTime: now.Add(time.Hour), DNSName: "api.trivet.svc"}
	if _, err := certificate.Verify(options); err != nil {
		t.Error(err)
	}
	options.CurrentTime = now.Add(25 * time.Hour)
	if _, err := certificate.Verify(options); err == nil {
		t.Error("it is valid after its end")
	}
	if got := text(signed["validityEndTime"]); !strings.HasPrefix(got, "2026-01-03T03:04:05") {
		t.Errorf("ends at %s", got)
	}
}

func TestAUseThatDoesNotExistIsRefused(t *testing.T) {
	t.Parallel()
	provider, err := New(standin.NewCloud(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	session, err := provider.Configure(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := session.Create(t.Context(), standin.Resource{Type: "tls:index/privateKey:PrivateKey"}, resource.NewPropertyMapFromMap(map[string]any{"algorithm": "ED25519"}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = session.Create(t.Context(), standin.Resource{Type: "tls:index/selfSignedCert:SelfSignedCert"}, resource.PropertyMap{
		"privateKeyPem": key.Outputs["privateKeyPem"], "validityPeriodHours": resource.NewProperty(1.0),
		"allowedUses": resource.NewProperty([]resource.PropertyValue{resource.NewProperty("sign_anything")}),
	})
	if err == nil || !strings.Contains(err.Error(), "sign_anything") {
		t.Errorf("got %v", err)
	}
}
