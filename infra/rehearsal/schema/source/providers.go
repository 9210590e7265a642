// Package source reads schemas of providers from the source of their Go SDKs.
// Those SDKs are themselves generated from the providers' schemas, so the way
// they are written is regular: a struct xArgs with the plain types of the
// inputs, one named xState with those of the outputs, a constructor that
// refuses missing inputs.
package source

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
)

// SDK is the Go SDK of one provider.
type SDK struct {
	Name     string   // of the provider
	Module   string   // Go module
	Folder   string   // of the provider's root package within the module
	Packages []string // below Folder; the root package is always read
}

// Providers lists the SDKs that are read, and which packages of them.
func Providers() []SDK {
	return []SDK{
		{
			Name: "aws", Module: "github.com/pulumi/pulumi-aws/sdk/v6", Folder: "go/aws",
			Packages: []string{
				"accessanalyzer", "acm", "autoscaling", "backup", "budgets", "cfg", "cloudfront", "cloudtrail", "cloudwatch", "ebs", "ec2", "ecr",
				"eks", "elasticache", "guardduty", "iam", "kms", "lb", "mq", "rds", "route53", "s3", "secretsmanager",
				"securityhub", "servicequotas", "sns", "sqs", "ssm", "vpc", "wafv2",
			},
		},
		{
			Name: "kubernetes", Module: "github.com/pulumi/pulumi-kubernetes/sdk/v4", Folder: "go/kubernetes",
			Packages: []string{
				"admissionregistration/v1", "apiextensions/v1", "apps/v1", "autoscaling/v2", "batch/v1", "coordination/v1", "core/v1",
				"discovery/v1", "meta/v1", "networking/v1", "policy/v1", "rbac/v1", "scheduling/v1", "storage/v1",
			},
		},
		{Name: "random", Module: "github.com/pulumi/pulumi-random/sdk/v4", Folder: "go/random"},
		{Name: "tls", Module: "github.com/pulumi/pulumi-tls/sdk/v5", Folder: "go/tls"},
	}
}

// Read reads the SDK's packages in the module cache.
func (s SDK) Read() (*schema.Provider, error) {
	module, err := moduleOf(s.Module)
	if err != nil {
		return nil, err
	}
	provider := &schema.Provider{
		Name: s.Name, Version: strings.TrimPrefix(module.Version, "v"),
		Resources: map[string]*schema.Resource{}, Functions: map[string]*schema.Function{}, Types: map[string]schema.Properties{},
	}
	root := filepath.Join(module.Dir, filepath.FromSlash(s.Folder))
	for _, name := range append([]string{""}, s.Packages...) {
		dir := filepath.Join(root, name)
		p, err := parse(dir, s.Folder, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		if err := p.addTo(provider); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	dropUnusedTypes(provider)
	return provider, nil
}

// Encode gives the file that [schema.Load] reads; the same schema gives the
// same bytes.
func Encode(provider *schema.Provider) ([]byte, error) {
	text, err := json.Marshal(provider) // maps in the order of their keys
	if err != nil {
		return nil, err
	}
	var buffer bytes.Buffer
	writer, err := gzip.NewWriterLevel(&buffer, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(text); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

type module struct{ Version, Dir string }

func moduleOf(path string) (module, error) {
	out, err := exec.Command("go", "list", "-m", "-json", path).Output() //nolint:noctx // of a tool that developers wait for
	if err != nil {
		return module{}, fmt.Errorf("go list -m %s: %w", path, err)
	}
	var m module
	if err := json.Unmarshal(out, &m); err != nil {
		return module{}, err
	}
	if m.Dir == "" {
		return module{}, fmt.Errorf("%s is not in the module cache: go mod download %[1]s", path)
	}
	return m, nil
}

// dropUnusedTypes removes the types that nothing consists of: half of an SDK's
// types are those of outputs written a second time.
func dropUnusedTypes(provider *schema.Provider) {
	used := map[string]bool{}
	var visit func(properties schema.Properties)
	visit = func(properties schema.Properties) {
		for _, t := range properties {
			name := schema.Innermost(t)
			nested, ok := provider.Types[name]
			if !ok || used[name] {
				continue
			}
			used[name] = true
			visit(nested)
		}
	}
	visit(provider.Config)
	for _, r := range provider.Resources {
		visit(r.Inputs)
		visit(r.Outputs)
	}
	for _, f := range provider.Functions {
		visit(f.Inputs)
		visit(f.Outputs)
	}
	for name := range provider.Types {
		if !used[name] {
			delete(provider.Types, name)
		}
	}
}
