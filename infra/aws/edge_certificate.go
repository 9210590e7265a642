package aws

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/acm"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// certificates are the ARNs of certificates that have been validated.
type certificates struct {
	balancer pulumi.StringOutput
	cdn      pulumi.StringOutput // in us-east-1; the zero value without a CDN
}

// addCertificates makes certificates for every name below the domain. ACM asks
// for the same proof wherever a certificate of the account is, so that one
// record serves both.
func (e *Edge) addCertificates(ctx *pulumi.Context, name string, args EdgeArgs) (certificates, error) {
	balancer, err := e.addCertificate(ctx, edgeName(name, "balancer"), args, args.Providers.Home)
	if err != nil {
		return certificates{}, err
	}
	proof := balancer.DomainValidationOptions.ApplyT(validationRecord).(pulumi.StringMapOutput)
	record, err := route53.NewRecord(ctx, edgeName(name, "validation"), &route53.RecordArgs{
		ZoneId:         pulumi.String(args.Spec.Edge.ZoneID),
		Name:           proof.MapIndex(pulumi.String("name")),
		Type:           proof.MapIndex(pulumi.String("type")),
		Records:        pulumi.StringArray{proof.MapIndex(pulumi.String("value"))},
		Ttl:            pulumi.Int(300),
		AllowOverwrite: pulumi.Bool(true), // an earlier stack of this domain has left the same one
	}, pulumi.Parent(e))
	if err != nil {
		return certificates{}, fmt.Errorf("proof of the domain: %w", err)
	}
	made := certificates{}
	if made.balancer, err = e.validate(ctx, edgeName(name, "balancer"), balancer, record, args.Providers.Home); err != nil {
		return certificates{}, err
	}
	if !args.Spec.Edge.CDN {
		return made, nil
	}
	cdn, err := e.addCertificate(ctx, edgeName(name, "cdn"), args, args.Providers.Global)
	if err != nil {
		return certificates{}, err
	}
	made.cdn, err = e.validate(ctx, edgeName(name, "cdn"), cdn, record, args.Providers.Global)
	return made, err
}

// addCertificate asks for a certificate in a region.
func (e *Edge) addCertificate(ctx *pulumi.Context, name string, args EdgeArgs, in *aws.Provider) (*acm.Certificate, error) {
	certificate, err := acm.NewCertificate(ctx, name, &acm.CertificateArgs{
		DomainName:       pulumi.String("*." + args.Spec.Domain),
		ValidationMethod: pulumi.String("DNS"),
		KeyAlgorithm:     pulumi.String("EC_prime256v1"),
	}, pulumi.Parent(e), pulumi.Provider(in))
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", name, err)
	}
	return certificate, nil
}

// validate waits until ACM has seen the proof, and gives the certificate's ARN.
func (e *Edge) validate(ctx *pulumi.Context, name string, certificate *acm.Certificate, proof *route53.Record, in *aws.Provider) (pulumi.StringOutput, error) {
	validation, err := acm.NewCertificateValidation(ctx, name, &acm.CertificateValidationArgs{
		CertificateArn:        certificate.Arn,
		ValidationRecordFqdns: pulumi.StringArray{proof.Fqdn},
	}, pulumi.Parent(e), pulumi.Provider(in))
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("validation of certificate %s: %w", name, err)
	}
	return validation.CertificateArn, nil
}

// validationRecord is the record that ACM wants to see.
func validationRecord(options []acm.CertificateDomainValidationOption) (map[string]string, error) {
	for _, option := range options {
		if option.ResourceRecordName != nil && option.ResourceRecordType != nil && option.ResourceRecordValue != nil {
			return map[string]string{
				"name": *option.ResourceRecordName, "type": *option.ResourceRecordType, "value": *option.ResourceRecordValue,
			}, nil
		}
	}
	return nil, errors.New("ACM asks for no record as proof of the domain")
}
