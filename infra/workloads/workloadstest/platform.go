package workloadstest

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
	"github.com/trivetkv/trivet/infra/workloads"
)

// digest is one that no image has.
func digest(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

// known and unknown make the outputs of a platform.
func known(value string) pulumi.StringOutput { return pulumi.String(value).ToStringOutput() }

func unknown(string) pulumi.StringOutput {
	return pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput)
}

// Platform is one of a cloud that nobody sells. In a preview, nothing that a
// cloud makes is known yet.
func Platform(preview bool) *platform.Platform {
	of := known
	if preview {
		of = unknown
	}
	vault := func(name, field string) platform.Secret {
		return platform.Secret{Vault: &platform.VaultSecret{Provider: "aws", Name: of("arn:cloud:secret:" + name), Field: field}}
	}
	identities, images := make(map[string]platform.Identity), make(map[string]pulumi.StringOutput)
	for _, service := range stack.ServiceNames {
		identities[service] = platform.Identity{
			ServiceAccount: service,
			Destinations:   []platform.Destination{{CIDR: "169.254.170.23/32", Port: 80}},
		}
		images[service] = of(fmt.Sprintf("registry.test/trivet/%s", service))
	}
	return &platform.Platform{
		Cloud: "test", Region: "moon-1", Domain: "trivet.test", Zones: 3, Services: identities, Images: images,
		Cluster: platform.ClusterAccess{
			Name: of("trivet"), Kubeconfig: of("{}"), KubeconfigCommand: of("true"), Namespace: "trivet",
			PodCIDRs: []string{"10.20.0.0/16"}, ServiceCIDR: "172.20.0.0/16", APIServerCIDRs: []string{"10.20.128.0/20"},
		},
		Database: platform.DatabaseEndpoint{
			Host: of("database.test"), Port: 5432, Name: "trivet", Login: platform.LoginAWS, Admin: vault("admin", ""),
			Roots: of("PEM"), MaxConns: 500, CIDRs: []string{"10.20.200.0/24"},
		},
		Cache: platform.CacheEndpoint{
			URL: of("rediss://cache.test:6379"), User: "trivet", Password: vault("cache", "password"), Port: 6379, CIDRs: []string{"10.20.201.0/24"},
		},
		Broker: &platform.BrokerEndpoint{
			URL: of("amqps://broker.test:5671/"), Login: vault("broker", ""), Manage: of("https://broker.test"), Port: 5671, CIDRs: []string{"10.20.202.0/24"},
		},
		Edge: platform.EdgeEndpoint{
			APIHost: "api.trivet.test", ConsoleHost: "console.trivet.test", StatusHost: "status.trivet.test",
			NodePort: 30443, StaticPort: 30444, SourceCIDRs: []string{"10.20.0.0/16"},
		},
		Signals: platform.Signals{LogsURL: of("https://logs.test"), Endpoint: "http://collector.watch:4318", CollectorNamespace: "watch"},
		Backup:  platform.BackupTarget{URL: of("s3://backups"), Region: "moon-1"},
		Nodes:   platform.NodeScaling{Kind: "cluster-autoscaler", Args: pulumi.StringMap{"cloud-provider": of("test")}},
	}
}

// Args are those of a tier, each service with an image.
func Args(tier platform.Tier, autoscaling stack.Autoscaling) workloads.Args {
	services := stack.Defaults(tier, stack.ProfileStandard).Services
	for i, name := range stack.ServiceNames {
		service := services[name]
		service.Image = digest(string(rune('a' + i)))
		services[name] = service
	}
	return workloads.Args{Project: Project, Tier: tier, Services: services, Autoscaling: autoscaling}
}

// Program deploys on a platform.
func Program(on *platform.Platform, args workloads.Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		_, err := workloads.Deploy(ctx, on, args)
		return err
	}
}
