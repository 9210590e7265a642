package workloads

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// site is what all parts of a deployment share.
type site struct {
	on   *platform.Platform
	args Args

	namespace       pulumi.StringOutput
	authority       *Authority
	roots           *Roots
	rootToken       pulumi.StringOutput
	autoscalerToken pulumi.StringOutput
	rolePasswords   map[string]pulumi.StringOutput // of the database's users, by service; none where they log in by identity
}

// logical is a resource's name in the stack's state, which never changes.
func (s *site) logical(thing string) string { return s.args.Project + "-" + thing }

// object is the name of a service's objects in the namespace. The autoscaler
// and people know Deployments by it.
func object(service string) string { return "trivet-" + service }

// runs tells whether a service is part of this deployment.
func (s *site) runs(service string) bool {
	return service != "autoscaler" || s.args.Autoscaling == stack.AutoscalingTrivet
}

// image is what a service runs. The jobs that prepare the database are commands
// of the api, so that schema and program are always of one version.
func (s *site) image(service string) pulumi.StringOutput {
	if service == migrate {
		service = "api"
	}
	configured := s.args.Services[service]
	repository, ok := s.on.Images[service]
	if !ok {
		return pulumi.String(configured.Image).ToStringOutput()
	}
	return repository.ApplyT(configured.Reference).(pulumi.StringOutput)
}

// generation tells jobs apart: one runs again under another name when any of
// the parts has changed.
func generation(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:5])
}

// Labels of Kubernetes' own list, so that every tool shows what belongs
// together.
const (
	labelName = "app.kubernetes.io/name"
	labelPart = "app.kubernetes.io/part-of"
)

// selector finds the pods of a service.
func selector(service string) pulumi.StringMap {
	return pulumi.StringMap{labelName: pulumi.String(object(service))}
}

func labels(service string) pulumi.StringMap {
	all := selector(service)
	maps.Copy(all, pulumi.StringMap{
		labelPart:                      pulumi.String("trivet"),
		"app.kubernetes.io/component":  pulumi.String(service),
		"app.kubernetes.io/managed-by": pulumi.String("pulumi"),
	})
	return all
}

// identity is how a service proves to the cloud who it is; a service account
// with no rights there where the platform has none for it.
func (s *site) identity(service string) platform.Identity {
	id := s.on.Services[service]
	if id.ServiceAccount == "" {
		id.ServiceAccount = object(service)
	}
	return id
}
