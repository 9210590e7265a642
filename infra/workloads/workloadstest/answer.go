package workloadstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// answer computes what a provider would: passwords, keys and certificates are
// real, so that pods can work with them. Everything else answers with what it
// was given.
func answer(token string, inputs resource.PropertyMap) (resource.PropertyMap, error) {
	outputs := maps.Clone(inputs)
	set := func(name, value string) { outputs[resource.PropertyKey(name)] = resource.NewProperty(value) }
	switch token {
	case "random:index/randomPassword:RandomPassword":
		set("result", rand.Text()+rand.Text())
	case "tls:index/privateKey:PrivateKey":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, err
		}
		set("privateKeyPem", encode("EC PRIVATE KEY", der))
	case "tls:index/selfSignedCert:SelfSignedCert":
		key, err := privateKey(text(inputs, "privateKeyPem"))
		if err != nil {
			return nil, err
		}
		authority := template(inputs)
		authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
		certificate, err := sign(authority, authority, key, key)
		if err != nil {
			return nil, err
		}
		set("certPem", certificate)
	case "tls:index/certRequest:CertRequest":
		request, err := request(inputs)
		if err != nil {
			return nil, err
		}
		set("certRequestPem", request)
	case "tls:index/locallySignedCert:LocallySignedCert":
		certificate, err := leaf(inputs)
		if err != nil {
			return nil, err
		}
		set("certPem", certificate)
	}
	return outputs, nil
}

func text(inputs resource.PropertyMap, name string) string {
	value, _ := plain(inputs[resource.PropertyKey(name)]).(string)
	return value
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func decode(text string) ([]byte, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("it is no PEM")
	}
	return block.Bytes, nil
}

func privateKey(text string) (*ecdsa.PrivateKey, error) {
	der, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return x509.ParseECPrivateKey(der)
}

func template(inputs resource.PropertyMap) *x509.Certificate {
	hours := inputs["validityPeriodHours"].NumberValue()
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: text(inputs["subject"].ObjectValue(), "commonName")},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Duration(hours) * time.Hour),
	}
}

func request(inputs resource.PropertyMap) (string, error) {
	key, err := privateKey(text(inputs, "privateKeyPem"))
	if err != nil {
		return "", err
	}
	wanted := &x509.CertificateRequest{Subject: pkix.Name{CommonName: text(inputs["subject"].ObjectValue(), "commonName")}}
	for _, name := range inputs["dnsNames"].ArrayValue() {
		wanted.DNSNames = append(wanted.DNSNames, name.StringValue())
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, wanted, key)
	return encode("CERTIFICATE REQUEST", der), err
}

func leaf(inputs resource.PropertyMap) (string, error) {
	der, err := decode(text(inputs, "certRequestPem"))
	if err != nil {
		return "", fmt.Errorf("request: %w", err)
	}
	wanted, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return "", err
	}
	if der, err = decode(text(inputs, "caCertPem")); err != nil {
		return "", fmt.Errorf("authority: %w", err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return "", err
	}
	key, err := privateKey(text(inputs, "caPrivateKeyPem"))
	if err != nil {
		return "", err
	}
	inputs = maps.Clone(inputs)
	inputs["subject"] = resource.NewProperty(resource.PropertyMap{"commonName": resource.NewProperty(wanted.Subject.CommonName)})
	made := template(inputs)
	made.DNSNames, made.ExtKeyUsage, made.KeyUsage = wanted.DNSNames, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, x509.KeyUsageDigitalSignature
	der, err = x509.CreateCertificate(rand.Reader, made, authority, wanted.PublicKey, key)
	return encode("CERTIFICATE", der), err
}

func sign(made, authority *x509.Certificate, of, by *ecdsa.PrivateKey) (string, error) {
	der, err := x509.CreateCertificate(rand.Reader, made, authority, &of.PublicKey, by)
	return encode("CERTIFICATE", der), err
}
