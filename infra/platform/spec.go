package platform

// Tier is the kind of environment, from which defaults and rules follow.
type Tier string

// The tiers.
const (
	Dev     Tier = "dev"
	Staging Tier = "staging"
	Prod    Tier = "prod"
)

// Spec is what an environment shall be. It is what people write into a stack
// file, with the tier's defaults filled in; JSON names are the settings' names.
type Spec struct {
	Stack      string            `json:"-"`          // the Pulumi stack's name
	Project    string            `json:"-"`          // the Pulumi project's name
	Images     map[string]string `json:"-"`          // per service, as in the stack file, for the preflight; empty when workloads come from another stack
	Tier       Tier              `json:"tier"`       // which defaults and rules hold: dev, staging or prod
	Region     string            `json:"region"`     // of the cloud
	Domain     string            `json:"domain"`     // all names are below it: api., console., status.
	Owner      string            `json:"owner"`      // team, for tags and alerts
	OwnerEmail string            `json:"ownerEmail"` // receives alerts and budget notices
	CostCentre string            `json:"costCentre"` // who pays, for tags
	Tags       map[string]string `json:"tags"`       // on everything, beside owner, env, cost-centre and stack

	Network       Network       `json:"network"`       // the private network
	Cluster       Cluster       `json:"cluster"`       // the Kubernetes cluster
	Cache         Cache         `json:"cache"`         // the managed Redis
	Database      Database      `json:"database"`      // the managed PostgreSQL
	Broker        Broker        `json:"broker"`        // the managed message broker; its kind alone will do
	Edge          Edge          `json:"edge"`          // what the world sees
	Observability Observability `json:"observability"` // logs, metrics, alarms
	Audit         Audit         `json:"audit"`         // the record of what is done to the account
	Backup        Backup        `json:"backup"`        // copies beyond the database's own
	Budget        Budget        `json:"budget"`        // the limit that notices are sent for
}

// Production tells whether the strictest rules hold.
func (s Spec) Production() bool { return s.Tier == Prod }

// Network is the private network.
type Network struct {
	CIDR             string   `json:"cidr"`             // such as 10.20.0.0/16
	Zones            int      `json:"zones"`            // availability zones of nodes and data, 1 to 3; a cloud that wants subnets in more makes empty ones
	NATPerZone       bool     `json:"natPerZone"`       // else one for all zones
	PrivateEndpoints []string `json:"privateEndpoints"` // services of the cloud reached without leaving the network; names as the cloud's
	FlowLogs         bool     `json:"flowLogs"`         // record who talks to whom
}

// Cluster is the Kubernetes cluster.
type Cluster struct {
	Version        string    `json:"version"`        // Kubernetes version, such as 1.35
	PublicEndpoint bool      `json:"publicEndpoint"` // the API server answers from outside, to endpointCIDRs
	EndpointCIDRs  []string  `json:"endpointCIDRs"`  // who may reach it then
	RunnerInside   bool      `json:"runnerInside"`   // this deployment runs inside the network, so a private endpoint is reachable
	AdminRoles     []string  `json:"adminRoles"`     // identities with administrator's access; roles, not people
	DeployRoles    []string  `json:"deployRoles"`    // identities that may deploy into the services' namespace
	NodeAutoscaler string    `json:"nodeAutoscaler"` // cluster-autoscaler or none
	System         NodeGroup `json:"system"`         // for what the cluster itself needs
	Workload       NodeGroup `json:"workload"`       // for the services
}

// NodeGroup is a pool of machines, the same kind in each zone.
type NodeGroup struct {
	InstanceTypes []string `json:"instanceTypes"` // the first that is to be had
	Min           int      `json:"min"`           // machines, over all zones
	Max           int      `json:"max"`           // machines, over all zones
	DiskGB        int      `json:"diskGB"`        // of each machine
	Spot          bool     `json:"spot"`          // cheaper machines that the cloud may take away
}

// Cache is the managed Redis.
type Cache struct {
	NodeType     string `json:"nodeType"`     // as the cloud calls it
	Replicas     int    `json:"replicas"`     // beside the primary, each in another zone
	SnapshotDays int    `json:"snapshotDays"` // how long daily snapshots are kept
}

// Database is the managed PostgreSQL.
type Database struct {
	Version            string `json:"version"`            // of PostgreSQL
	InstanceType       string `json:"instanceType"`       // of writer and readers, as the cloud calls it
	Readers            int    `json:"readers"`            // standbys beside the writer, each in another zone
	BackupDays         int    `json:"backupDays"`         // how far back it can be restored, to the second
	Public             bool   `json:"public"`             // refused in production
	DeletionProtection bool   `json:"deletionProtection"` // the cloud refuses to delete it
	StorageGB          int    `json:"storageGB"`          // expected, for the estimate of costs; storage grows by itself
}

// Broker is the managed message broker. A stack file may say just its kind.
type Broker struct {
	Kind         BrokerKind `json:"kind"`         // none or rabbitmq
	InstanceType string     `json:"instanceType"` // as the cloud calls it
	Version      string     `json:"version"`      // of RabbitMQ, such as 3.13
	Cluster      bool       `json:"cluster"`      // over all zones
}

// BrokerKind names a broker, or none.
type BrokerKind string

// The kinds of broker. Without one, asynchronous writes are answered as
// synchronous ones.
const (
	BrokerNone     BrokerKind = "none"
	BrokerRabbitMQ BrokerKind = "rabbitmq"
)

// WAF says in front of what a web application firewall stands.
type WAF string

// The choices for the firewall. Its charges grow with requests, so that a
// store under high load may want it on the edge alone, or not at all.
const (
	WAFAll  WAF = "all"
	WAFEdge WAF = "edge"
	WAFOff  WAF = "off"
)

// Edge is what the world sees: names, certificates, balancer, CDN, firewall.
type Edge struct {
	ZoneID         string   `json:"zoneID"`         // the public DNS zone of the domain; it exists and is delegated before the stack, and outlives it
	WAF            WAF      `json:"waf"`            // a firewall before everything (all), before console, docs and status alone (edge), or off
	RateLimit      int      `json:"rateLimit"`      // requests of one address in five minutes
	CDN            bool     `json:"cdn"`            // for console, docs and status
	AllowCIDRs     []string `json:"allowCIDRs"`     // who may reach it; empty is everybody
	AccessLogsDays int      `json:"accessLogsDays"` // how long the record of requests is kept
}

// Observability is logs, metrics, alarms.
type Observability struct {
	LogDays       int               `json:"logDays"`         // how long logs are kept
	RunbookURL    string            `json:"runbookURL"`      // alarms link to pages below it
	AlarmTargets  map[string]string `json:"alarmTargets"`    // who is told beside the owner, by any name: an e-mail address or an https:// URL
	ThreatDetect  bool              `json:"threatDetection"` // the cloud looks for intruders
	DashboardName string            `json:"dashboardName"`   // empty takes the stack's
}

// Audit is the record of what was done to the account.
type Audit struct {
	Trail    bool `json:"trail"`    // record every call to the account
	LogDays  int  `json:"logDays"`  // how long the records are kept
	LockDays int  `json:"lockDays"` // the records cannot be deleted for so long
}

// Backup is copies of the data beyond the database's own.
type Backup struct {
	Days       int    `json:"days"`       // how long recovery points are kept
	CopyRegion string `json:"copyRegion"` // where copies go; empty makes none
	BucketDays int    `json:"bucketDays"` // how long logical backups are kept
	SizeGB     int    `json:"sizeGB"`     // expected, for the estimate of costs
}

// Budget is the monthly limit that notices are sent for, in US dollars.
type Budget struct {
	MonthlyUSD int `json:"monthlyUSD"` // notices come at half, four fifths and all of it
}
