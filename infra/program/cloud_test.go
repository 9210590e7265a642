package program

import (
	"errors"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// island is a cloud that no provider has: it proves that the program and the
// workloads need nothing of a cloud but its Platform.
type island struct {
	refuse     error // what the preflight finds
	withBroker bool
	provisions int
}

// Name implements platform.Cloud. It takes the place of the one cloud that a
// stack file can name.
func (*island) Name() string { return "aws" }

// Preflight implements platform.Cloud.
func (i *island) Preflight(*pulumi.Context, platform.Spec) error { return i.refuse }

// thing is a resource of the island. Its endpoint is known once it is made.
type thing struct {
	pulumi.CustomResourceState
	Endpoint pulumi.StringOutput `pulumi:"endpoint"`
}

type tier struct{ pulumi.ResourceState }

// Provision implements platform.Cloud.
func (i *island) Provision(ctx *pulumi.Context, spec platform.Spec) (*platform.Platform, error) {
	i.provisions++
	component := &tier{}
	if err := ctx.RegisterComponentResource("trivet:island:Everything", "trivet-everything", component); err != nil {
		return nil, err
	}
	endpoints := make(map[string]pulumi.StringOutput)
	for _, name := range []string{"cluster", "database", "cache", "broker", "backup"} {
		made := &thing{}
		if err := ctx.RegisterResource("island:index:Thing", "trivet-"+name, pulumi.Map{"owner": pulumi.String(spec.Owner)}, made, pulumi.Parent(component)); err != nil {
			return nil, err
		}
		endpoints[name] = made.Endpoint
	}
	on := i.platform(spec, endpoints)
	return on, ctx.RegisterResourceOutputs(component, pulumi.Map{"cluster": endpoints["cluster"]})
}

func (i *island) platform(spec platform.Spec, endpoints map[string]pulumi.StringOutput) *platform.Platform {
	vault := func(name string) platform.Secret {
		return platform.Secret{Vault: &platform.VaultSecret{Provider: "aws", Name: endpoints[name]}}
	}
	on := &platform.Platform{
		Cloud: "island", Region: spec.Region, Domain: spec.Domain, Zones: spec.Network.Zones,
		Services: map[string]platform.Identity{},
		Images:   map[string]pulumi.StringOutput{},
		Cluster: platform.ClusterAccess{
			Name: endpoints["cluster"], Kubeconfig: endpoints["cluster"], KubeconfigCommand: pulumi.Sprintf("island login %s", endpoints["cluster"]),
			Namespace: "trivet", PodCIDRs: []string{"10.0.0.0/16"}, ServiceCIDR: "172.20.0.0/16",
		},
		Database: platform.DatabaseEndpoint{
			Host: endpoints["database"], Port: 5432, Name: "trivet", Login: platform.LoginPassword,
			Admin: vault("database"), Roots: pulumi.String("").ToStringOutput(), MaxConns: 1000, CIDRs: []string{"10.0.128.0/24"},
		},
		Cache: platform.CacheEndpoint{
			URL: pulumi.Sprintf("rediss://%s:6379", endpoints["cache"]), User: "trivet", Password: vault("cache"), Port: 6379, CIDRs: []string{"10.0.129.0/24"},
		},
		Edge: platform.EdgeEndpoint{
			APIHost: "api." + spec.Domain, ConsoleHost: "console." + spec.Domain, StatusHost: "status." + spec.Domain,
			NodePort: 30080, StaticPort: 30081, SourceCIDRs: []string{"10.0.0.0/16"},
		},
		Signals: platform.Signals{
			LogsURL: pulumi.Sprintf("https://logs.example.com/%s", endpoints["cluster"]),
			// Not all that workloads may use has to be there.
			Dashboards: pulumi.StringMap{"platform": pulumi.String("https://dashboards.example.com")}, RunbookURL: spec.Observability.RunbookURL,
		},
		Backup: platform.BackupTarget{URL: pulumi.Sprintf("s3://%s", endpoints["backup"]), Region: spec.Region},
		Nodes:  platform.NodeScaling{Kind: "none"},
	}
	for _, service := range []string{"api", "consumer", "migrate", "autoscaler", "node-autoscaler"} {
		on.Services[service] = platform.Identity{ServiceAccount: service}
		on.Images[service] = pulumi.Sprintf("registry.example.com/trivet/%s", service)
	}
	if i.withBroker {
		on.Broker = &platform.BrokerEndpoint{
			URL: pulumi.Sprintf("amqps://%s:5671", endpoints["broker"]), Login: vault("broker"), Port: 5671, CIDRs: []string{"10.0.130.0/24"}, MaxConns: 500,
		}
	}
	return on
}

var errNoZone = errors.New("the domain kv.example.com has no delegated zone")
