// Package kubernetes is the stand-in for the provider of Kubernetes. Objects
// are decoded strictly into Kubernetes' own types. Without a cluster they are
// kept in memory; with one they are applied to it, server side, and waited
// for. Which cluster is said by whoever makes the stand-in: the program's
// kubeconfig, which names one that does not exist, and the environment's are
// never used.
package kubernetes

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// Provider is the stand-in.
type Provider struct {
	schema  *schema.Provider
	cloud   *standin.Cloud
	decoder decoder
	cluster *cluster // nil without one
}

var _ standin.Provider = (*Provider)(nil)

// New gives the stand-in over a cloud. With the path of a kubeconfig, objects
// are applied to the cluster of its current context.
func New(cloud *standin.Cloud, kubeconfig string) (*Provider, error) {
	definition, err := schema.Load("kubernetes")
	if err != nil {
		return nil, err
	}
	p := &Provider{schema: definition, cloud: cloud, decoder: newDecoder()}
	if kubeconfig != "" {
		if p.cluster, err = connect(kubeconfig); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Name is the provider's name.
func (p *Provider) Name() string { return p.schema.Name }

// Version is the version of the SDK that the schema was read from.
func (p *Provider) Version() string { return p.schema.Version }

// CheckConfig refuses settings that the provider does not have.
func (p *Provider) CheckConfig(config resource.PropertyMap) []schema.Failure {
	return p.schema.Check(p.schema.Config, standin.DecodeConfig(p.schema.Config, config))
}

// Configure gives a session.
func (p *Provider) Configure(config resource.PropertyMap) (standin.Session, error) {
	settings := standin.DecodeConfig(p.schema.Config, config)
	s := &session{Provider: p, namespace: "default"}
	if namespace := settings["namespace"]; namespace.IsString() && namespace.StringValue() != "" {
		s.namespace = namespace.StringValue()
	}
	s.mutableConfigMaps = truth(settings["enableConfigMapMutable"])
	s.mutableSecrets = truth(settings["enableSecretMutable"])
	return s, nil
}

func truth(value resource.PropertyValue) bool { return value.IsBool() && value.BoolValue() }

// session is a configured provider.
type session struct {
	*Provider
	namespace         string // of objects that name none
	mutableConfigMaps bool
	mutableSecrets    bool
}

var _ standin.Session = (*session)(nil)

// Secrets are none: an object of kind Secret is given secret values.
func (s *session) Secrets(standin.Resource) []string { return nil }

// Invoke answers nothing: reading objects is no part of the program.
func (s *session) Invoke(_ context.Context, token string, _ resource.PropertyMap) (resource.PropertyMap, []schema.Failure, error) {
	return nil, nil, fmt.Errorf("the stand-in for Kubernetes has no function %s", token)
}
