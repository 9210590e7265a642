package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Observability is alarms for every tier, the topic that they are sent to, and
// the dashboard.
type Observability struct {
	pulumi.ResourceState

	TopicARN     pulumi.StringOutput // alarms and notices go there
	DashboardURL pulumi.StringOutput
	LogsURL      pulumi.StringOutput
}

// ObservabilityArgs are the tiers to be watched.
type ObservabilityArgs struct {
	Spec     platform.Spec
	Account  Account
	Keys     *Keys
	Network  *Network
	Cluster  *Cluster
	Cache    *Cache
	Database *Database
	Broker   *Broker // nil without a broker
	Edge     *Edge
	Audit    *Audit
	Backup   *Backup
}
