// Package tls is the stand-in for the provider of keys and certificates. They
// are real ones: a rehearsal on a cluster serves with them.
package tls

import (
	"time"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// New gives the stand-in over a cloud. The clock dates certificates.
func New(cloud *standin.Cloud, now func() time.Time) (*standin.Simulated, error) {
	definition, err := schema.Load("tls")
	if err != nil {
		return nil, err
	}
	issuer := issuer{now: now}
	certificate := func(refine func(*standin.Simulation, *standin.Object) error) standin.Kind {
		return standin.Kind{
			ID: "{hex:32}", Fixed: true, Keep: []string{"earlyRenewalHours"}, Refine: refine,
			Outputs: map[string]any{"keyAlgorithm": "ECDSA"},
		}
	}
	local := certificate(issuer.locallySigned)
	local.Outputs = map[string]any{"caKeyAlgorithm": "ECDSA"}
	return &standin.Simulated{
		Schema: definition, Cloud: cloud,
		Kinds: map[string]standin.Kind{
			"tls:index/privateKey:PrivateKey":               {ID: "{hex:40}", Fixed: true, Refine: privateKey},
			"tls:index/certRequest:CertRequest":             certificate(certRequest),
			"tls:index/selfSignedCert:SelfSignedCert":       certificate(issuer.selfSigned),
			"tls:index/locallySignedCert:LocallySignedCert": local,
		},
	}, nil
}
