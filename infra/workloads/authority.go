package workloads

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	tls "github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Lives of certificates, in hours. One is renewed by the first deployment within
// its early days, so that deploying every few months is enough. Services read a
// new one without a restart.
const (
	day = 24

	authorityHours = 3650 * day
	authorityEarly = 730 * day
	leafHours      = 397 * day
	leafEarly      = 180 * day
)

// Authority signs the certificates of this stack's pods, and of nothing else.
type Authority struct {
	pulumi.ResourceState

	Certificate pulumi.StringOutput // PEM

	key *tls.PrivateKey
}

func newAuthority(ctx *pulumi.Context, s *site, opts pulumi.ResourceOption) (*Authority, error) {
	a := &Authority{}
	if err := ctx.RegisterComponentResource("trivet:workloads:Authority", s.logical("authority"), a, opts); err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	var err error
	if a.key, err = newKey(ctx, s.logical("authority"), a); err != nil {
		return nil, err
	}
	certificate, err := tls.NewSelfSignedCert(ctx, s.logical("authority"), &tls.SelfSignedCertArgs{
		PrivateKeyPem:       a.key.PrivateKeyPem,
		IsCaCertificate:     pulumi.Bool(true),
		AllowedUses:         pulumi.StringArray{pulumi.String("cert_signing"), pulumi.String("crl_signing")},
		ValidityPeriodHours: pulumi.Int(authorityHours),
		EarlyRenewalHours:   pulumi.Int(authorityEarly),
		Subject:             &tls.SelfSignedCertSubjectArgs{CommonName: pulumi.String("Trivet pods"), Organization: pulumi.String("Trivet")},
	}, pulumi.Parent(a))
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	a.Certificate = certificate.CertPem
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{"certificate": a.Certificate})
}

// newKey makes a private key, which is in the stack's state as a secret.
func newKey(ctx *pulumi.Context, name string, parent pulumi.Resource) (*tls.PrivateKey, error) {
	key, err := tls.NewPrivateKey(ctx, name, &tls.PrivateKeyArgs{
		Algorithm:  pulumi.String("ECDSA"),
		EcdsaCurve: pulumi.String("P256"),
	}, pulumi.Parent(parent), pulumi.AdditionalSecretOutputs([]string{"privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"}))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", name, err)
	}
	return key, nil
}

// issue makes a certificate of a service's names in the cluster, and of others,
// with its key in a Kubernetes secret.
func (a *Authority) issue(ctx *pulumi.Context, s *site, service string, others []string, parent pulumi.Resource) (*corev1.Secret, error) {
	name := s.logical(service)
	key, err := newKey(ctx, name, parent)
	if err != nil {
		return nil, err
	}
	names := s.hostNames(service, others)
	request, err := tls.NewCertRequest(ctx, name, &tls.CertRequestArgs{
		PrivateKeyPem: key.PrivateKeyPem,
		DnsNames:      names,
		Subject:       &tls.CertRequestSubjectArgs{CommonName: pulumi.String(object(service)), Organization: pulumi.String("Trivet")},
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", service, err)
	}
	certificate, err := tls.NewLocallySignedCert(ctx, name, &tls.LocallySignedCertArgs{
		CaCertPem:           a.Certificate,
		CaPrivateKeyPem:     a.key.PrivateKeyPem,
		CertRequestPem:      request.CertRequestPem,
		AllowedUses:         pulumi.StringArray{pulumi.String("digital_signature"), pulumi.String("key_encipherment"), pulumi.String("server_auth")},
		ValidityPeriodHours: pulumi.Int(leafHours),
		EarlyRenewalHours:   pulumi.Int(leafEarly),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", service, err)
	}
	secret, err := corev1.NewSecret(ctx, s.logical(service+"-tls"), &corev1.SecretArgs{
		Metadata: s.meta(service, object(service+"-tls")),
		Type:     pulumi.String("kubernetes.io/tls"),
		StringData: pulumi.StringMap{
			"tls.crt": certificate.CertPem,
			"tls.key": key.PrivateKeyPem,
			"ca.crt":  a.Certificate,
		},
	}, pulumi.Parent(parent), pulumi.AdditionalSecretOutputs([]string{"stringData", "data"}))
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", service, err)
	}
	return secret, nil
}

// hostNames are the names under which a service is asked within the cluster,
// and others.
func (s *site) hostNames(service string, others []string) pulumi.StringArray {
	short, namespace := object(service), s.on.Cluster.Namespace
	all := append([]string{short, short + "." + namespace, short + "." + namespace + ".svc", short + "." + namespace + ".svc.cluster.local"}, others...)
	return pulumi.ToStringArray(all)
}
