package aws

import (
	"maps"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// tiers are all parts of the platform.
type tiers struct {
	keys          *Keys
	network       *Network
	cluster       *Cluster
	registry      *Registry
	cache         *Cache
	database      *Database
	broker        *Broker // nil without a broker
	audit         *Audit
	backup        *Backup
	edge          *Edge
	identity      *Identity
	observability *Observability
}

// newTiers registers every tier, in the order in which they need each other.
func newTiers(ctx *pulumi.Context, spec platform.Spec, begun *session) (*tiers, error) {
	var (
		made    = &tiers{}
		account = begun.account
		home    = pulumi.Providers(begun.providers.Home)
		err     error
	)
	name := func(tier string) string { return logicalName(spec, tier) }

	if made.keys, err = NewKeys(ctx, name("keys"), KeysArgs{Spec: spec, Account: account}, home); err != nil {
		return nil, err
	}
	if made.audit, err = NewAudit(ctx, name("audit"), AuditArgs{Spec: spec, Account: account, Keys: made.keys}, home); err != nil {
		return nil, err
	}
	if made.network, err = NewNetwork(ctx, name("network"), NetworkArgs{
		Spec: spec, Account: account, Zones: begun.zones, Keys: made.keys,
	}, home); err != nil {
		return nil, err
	}
	if made.registry, err = NewRegistry(ctx, name("registry"), RegistryArgs{Spec: spec, Keys: made.keys}, home); err != nil {
		return nil, err
	}
	if made.cluster, err = NewCluster(ctx, name("cluster"), ClusterArgs{
		Spec: spec, Account: account, Network: made.network, Keys: made.keys,
	}, home); err != nil {
		return nil, err
	}
	if err := made.addData(ctx, name, spec, account, home); err != nil {
		return nil, err
	}
	if made.backup, err = NewBackup(ctx, name("backup"), BackupArgs{
		Spec: spec, Account: account, Keys: made.keys, Database: made.database, AccessLogs: made.audit.AccessLogs,
		CopyProvider: begun.providers.Copy,
	}, home); err != nil {
		return nil, err
	}
	if made.edge, err = NewEdge(ctx, name("edge"), EdgeArgs{
		Spec: spec, Account: account, Providers: begun.providers, Network: made.network, Cluster: made.cluster, Keys: made.keys,
		AccessLogs: made.audit.AccessLogs,
	}, home); err != nil {
		return nil, err
	}
	if made.identity, err = NewIdentity(ctx, name("identity"), IdentityArgs{
		Spec: spec, Account: account, Keys: made.keys, Cluster: made.cluster,
		Cache: made.cache, Database: made.database, Broker: made.broker,
	}, home); err != nil {
		return nil, err
	}
	if made.observability, err = NewObservability(ctx, name("observability"), ObservabilityArgs{
		Spec: spec, Account: account, Providers: begun.providers, Keys: made.keys, Network: made.network, Cluster: made.cluster,
		Cache: made.cache, Database: made.database, Broker: made.broker, Edge: made.edge, Audit: made.audit, Backup: made.backup,
	}, home); err != nil {
		return nil, err
	}
	_, err = NewBudget(ctx, name("budget"), BudgetArgs{Spec: spec, TopicARN: made.observability.TopicARN}, home)
	return made, err
}

// addData registers what holds the data.
func (t *tiers) addData(ctx *pulumi.Context, name func(tier string) string, spec platform.Spec, account Account, home pulumi.ResourceOption) error {
	var err error
	if t.cache, err = NewCache(ctx, name("cache"), CacheArgs{
		Spec: spec, Network: t.network, Keys: t.keys, ClientSecurityGroupID: t.cluster.NodeSecurityGroupID,
	}, home); err != nil {
		return err
	}
	if t.database, err = NewDatabase(ctx, name("database"), DatabaseArgs{
		Spec: spec, Account: account, Network: t.network, Keys: t.keys, ClientSecurityGroupID: t.cluster.NodeSecurityGroupID,
	}, home); err != nil {
		return err
	}
	if spec.Broker.Kind == platform.BrokerNone {
		return nil
	}
	t.broker, err = NewBroker(ctx, name("broker"), BrokerArgs{
		Spec: spec, Network: t.network, Keys: t.keys, ClientSecurityGroupID: t.cluster.NodeSecurityGroupID,
	}, home)
	return err
}

// platform is what workloads see of the tiers.
func (t *tiers) platform(spec platform.Spec) *platform.Platform {
	made := &platform.Platform{
		Cloud:    "aws",
		Region:   spec.Region,
		Domain:   spec.Domain,
		Zones:    t.network.Spread,
		Services: t.identity.Services,
		Cluster: platform.ClusterAccess{
			Name:              t.cluster.Name,
			Kubeconfig:        t.cluster.Kubeconfig,
			KubeconfigCommand: t.cluster.KubeconfigCommand,
			Namespace:         namespace,
			PodCIDRs:          t.network.PrivateCIDRs,
			ServiceCIDR:       serviceCIDR,
			APIServerCIDRs:    t.network.PrivateCIDRs, // where EKS has its network interfaces
		},
		Database: t.database.Endpoint,
		Cache:    t.cache.Endpoint,
		Edge:     t.edge.Endpoint,
		Signals: platform.Signals{
			LogsURL:            t.observability.LogsURL,
			Dashboards:         pulumi.StringMap{"platform": t.observability.DashboardURL},
			RunbookURL:         spec.Observability.RunbookURL,
			CollectorNamespace: collectorNamespace,
		},
		Backup: t.backup.Target,
		Nodes:  nodeScaling(spec),
		Images: maps.Clone(t.registry.Repositories),
	}
	if t.broker != nil {
		made.Broker = &t.broker.Endpoint
	}
	return made
}
