package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

func privateKey(_ *standin.Simulation, o *standin.Object) error {
	key, err := newKey(text(o.Inputs["algorithm"]), text(o.Inputs["ecdsaCurve"]), number(o.Inputs["rsaBits"]))
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	encoded := resource.NewProperty(block("PRIVATE KEY", private))
	sum := sha256.Sum256(public)
	o.Outputs["privateKeyPem"], o.Outputs["privateKeyPemPkcs8"] = encoded, encoded
	if ec, ok := key.(*ecdsa.PrivateKey); ok { // the form that the provider gives
		if der, err := x509.MarshalECPrivateKey(ec); err == nil {
			o.Outputs["privateKeyPem"] = resource.NewProperty(block("EC PRIVATE KEY", der))
		}
	}
	o.Outputs["publicKeyPem"] = resource.NewProperty(block("PUBLIC KEY", public))
	o.Outputs["publicKeyFingerprintSha256"] = resource.NewProperty("SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]))
	return nil
}

func newKey(algorithm, curve string, bits int) (crypto.Signer, error) {
	switch algorithm {
	case "RSA":
		if bits == 0 {
			bits = 2048
		}
		return rsa.GenerateKey(rand.Reader, bits)
	case "ED25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "ECDSA":
		curves := map[string]elliptic.Curve{"": elliptic.P224(), "P224": elliptic.P224(), "P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521()}
		c, ok := curves[curve]
		if !ok {
			return nil, fmt.Errorf("unknown curve %q", curve)
		}
		return ecdsa.GenerateKey(c, rand.Reader)
	}
	return nil, fmt.Errorf("unknown algorithm %q: want RSA, ECDSA or ED25519", algorithm)
}

func certRequest(_ *standin.Simulation, o *standin.Object) error {
	key, err := parseKey(text(o.Inputs["privateKeyPem"]))
	if err != nil {
		return err
	}
	addresses, uris, err := names(o.Inputs)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: subject(o.Inputs["subject"]), DNSNames: texts(o.Inputs["dnsNames"]), IPAddresses: addresses, URIs: uris,
	}, key)
	if err != nil {
		return err
	}
	o.Outputs["certRequestPem"] = resource.NewProperty(block("CERTIFICATE REQUEST", der))
	return nil
}

// issuer signs certificates that begin now.
type issuer struct{ now func() time.Time }

func (i issuer) selfSigned(_ *standin.Simulation, o *standin.Object) error {
	key, err := parseKey(text(o.Inputs["privateKeyPem"]))
	if err != nil {
		return err
	}
	template, err := i.template(o)
	if err != nil {
		return err
	}
	addresses, uris, err := names(o.Inputs)
	if err != nil {
		return err
	}
	template.Subject, template.DNSNames, template.IPAddresses, template.URIs = subject(o.Inputs["subject"]), texts(o.Inputs["dnsNames"]), addresses, uris
	return finish(o, template, template, key.Public(), key)
}

func (i issuer) locallySigned(_ *standin.Simulation, o *standin.Object) error {
	der, _ := pem.Decode([]byte(text(o.Inputs["certRequestPem"])))
	if der == nil {
		return errors.New("certRequestPem holds no PEM block")
	}
	request, err := x509.ParseCertificateRequest(der.Bytes)
	if err != nil {
		return fmt.Errorf("parse the request: %w", err)
	}
	if der, _ = pem.Decode([]byte(text(o.Inputs["caCertPem"]))); der == nil {
		return errors.New("caCertPem holds no PEM block")
	}
	parent, err := x509.ParseCertificate(der.Bytes)
	if err != nil {
		return fmt.Errorf("parse the authority's certificate: %w", err)
	}
	key, err := parseKey(text(o.Inputs["caPrivateKeyPem"]))
	if err != nil {
		return err
	}
	template, err := i.template(o)
	if err != nil {
		return err
	}
	template.Subject, template.DNSNames, template.IPAddresses, template.URIs = request.Subject, request.DNSNames, request.IPAddresses, request.URIs
	return finish(o, template, parent, request.PublicKey, key)
}

func (i issuer) template(o *standin.Object) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	begin := i.now().UTC()
	c := &x509.Certificate{
		SerialNumber: serial, NotBefore: begin, NotAfter: begin.Add(time.Duration(number(o.Inputs["validityPeriodHours"])) * time.Hour),
		BasicConstraintsValid: true,
	}
	if ca := o.Inputs["isCaCertificate"]; ca.IsBool() {
		c.IsCA = ca.BoolValue()
	}
	for _, use := range texts(o.Inputs["allowedUses"]) {
		if usage, ok := usages[use]; ok {
			c.KeyUsage |= usage
		} else if extended, ok := extendedUsages[use]; ok {
			c.ExtKeyUsage = append(c.ExtKeyUsage, extended)
		} else {
			return nil, fmt.Errorf("unknown use %q", use)
		}
	}
	return c, nil
}

func finish(o *standin.Object, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return err
	}
	o.Outputs["certPem"] = resource.NewProperty(block("CERTIFICATE", der))
	o.Outputs["validityStartTime"] = resource.NewProperty(template.NotBefore.Format(time.RFC3339))
	o.Outputs["validityEndTime"] = resource.NewProperty(template.NotAfter.Format(time.RFC3339))
	o.Outputs["readyForRenewal"] = resource.NewProperty(false)
	return nil
}

var usages = map[string]x509.KeyUsage{
	"digital_signature": x509.KeyUsageDigitalSignature, "content_commitment": x509.KeyUsageContentCommitment,
	"key_encipherment": x509.KeyUsageKeyEncipherment, "data_encipherment": x509.KeyUsageDataEncipherment, "key_agreement": x509.KeyUsageKeyAgreement,
	"cert_signing": x509.KeyUsageCertSign, "crl_signing": x509.KeyUsageCRLSign, "encipher_only": x509.KeyUsageEncipherOnly, "decipher_only": x509.KeyUsageDecipherOnly,
}

var extendedUsages = map[string]x509.ExtKeyUsage{
	"any_extended": x509.ExtKeyUsageAny, "server_auth": x509.ExtKeyUsageServerAuth, "client_auth": x509.ExtKeyUsageClientAuth,
	"code_signing": x509.ExtKeyUsageCodeSigning, "email_protection": x509.ExtKeyUsageEmailProtection, "timestamping": x509.ExtKeyUsageTimeStamping,
	"ocsp_signing": x509.ExtKeyUsageOCSPSigning,
}

func parseKey(encoded string) (crypto.Signer, error) {
	b, _ := pem.Decode([]byte(encoded))
	if b == nil {
		return nil, errors.New("the private key holds no PEM block")
	}
	if key, err := x509.ParseECPrivateKey(b.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse the private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

func names(inputs resource.PropertyMap) ([]net.IP, []*url.URL, error) {
	var addresses []net.IP
	for _, s := range texts(inputs["ipAddresses"]) {
		address := net.ParseIP(s)
		if address == nil {
			return nil, nil, fmt.Errorf("%q is no IP address", s)
		}
		addresses = append(addresses, address)
	}
	var uris []*url.URL
	for _, s := range texts(inputs["uris"]) {
		u, err := url.Parse(s)
		if err != nil {
			return nil, nil, err
		}
		uris = append(uris, u)
	}
	return addresses, uris, nil
}

func subject(value resource.PropertyValue) pkix.Name {
	if !value.IsObject() {
		return pkix.Name{}
	}
	s := value.ObjectValue()
	name := pkix.Name{CommonName: text(s["commonName"]), SerialNumber: text(s["serialNumber"])}
	for _, part := range []struct {
		key  resource.PropertyKey
		into *[]string
	}{
		{"country", &name.Country}, {"locality", &name.Locality}, {"organization", &name.Organization},
		{"organizationalUnit", &name.OrganizationalUnit}, {"postalCode", &name.PostalCode}, {"province", &name.Province},
	} {
		if v := text(s[part.key]); v != "" {
			*part.into = []string{v}
		}
	}
	return name
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func text(value resource.PropertyValue) string {
	if value.IsString() {
		return value.StringValue()
	}
	return ""
}

func texts(value resource.PropertyValue) []string {
	if !value.IsArray() {
		return nil
	}
	var list []string
	for _, v := range value.ArrayValue() {
		list = append(list, text(v))
	}
	return list
}

func number(value resource.PropertyValue) int {
	if value.IsNumber() {
		return int(value.NumberValue())
	}
	return 0
}
