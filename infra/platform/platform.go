package platform

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// ContractVersion is the version of the form in which a Platform travels from
// the stack of the cloud layer to that of the workloads. It changes when a
// reader of the old form could misunderstand the new one.
const ContractVersion = 1

// Platform is what a cloud hands to the workloads: plain values where the
// shape of the workloads depends on them, outputs everywhere else.
type Platform struct {
	Cloud    string // for labels and texts alone; nothing may branch on it
	Region   string
	Domain   string
	Zones    int
	Services map[string]Identity // by service: api, consumer, migrate, autoscaler, healthcheck, node-autoscaler

	Cluster  ClusterAccess
	Database DatabaseEndpoint
	Cache    CacheEndpoint
	Broker   *BrokerEndpoint // nil without a broker
	Edge     EdgeEndpoint
	Signals  Signals
	Backup   BackupTarget
	Nodes    NodeScaling
	Images   map[string]pulumi.StringOutput // repository per service, without tag or digest
}

// Identity is how a service proves who it is to the cloud, with no static key.
type Identity struct {
	ServiceAccount string // the name that the identity is bound to
	Annotations    pulumi.StringMap
	PodLabels      pulumi.StringMap
	Destinations   []Destination // whence credentials come, and what the service asks of the cloud
}

// Destination is where pods send packets, for network policies.
type Destination struct {
	CIDR string
	Port int
}

// ClusterAccess is how to reach the cluster.
type ClusterAccess struct {
	Name              pulumi.StringOutput
	Kubeconfig        pulumi.StringOutput `platform:"secret"` // names a command that fetches a token, and holds none
	KubeconfigCommand pulumi.StringOutput // for people
	Namespace         string              // the services' namespace, which identities are bound to
	PodCIDRs          []string
	ServiceCIDR       string
	APIServerCIDRs    []string // where the API server answers, for network policies; none: anywhere
}

// DatabaseEndpoint is the writer, which alone answers strong reads. Users log
// in with their cloud identity; the administrator's password is rotated by the
// cloud and fetched as a Secret by the job that makes the users.
type DatabaseEndpoint struct {
	Host     pulumi.StringOutput
	Port     int
	Name     string
	Login    Login
	Admin    Secret              // a JSON object with username and password
	Roots    pulumi.StringOutput // authorities of the server's certificate, PEM; empty for the system's
	MaxConns int                 // of the server, for caps of the autoscaler
	CIDRs    []string            // where it is, for network policies
}

// DatabaseUser is the name under which a service logs in to the database:
// identities are bound to it, and the bootstrap job makes it. The service
// "migrate" owns the schema.
func DatabaseUser(service string) string { return "trivet_" + service }

// Login is how services authenticate at the database.
type Login string

// The logins: by a token of the cloud's identity, or by a password in a Secret.
const (
	LoginAWS      Login = "aws"
	LoginAzure    Login = "azure"
	LoginGCP      Login = "gcp"
	LoginPassword Login = "password"
)

// CacheEndpoint is the Redis.
type CacheEndpoint struct {
	URL      pulumi.StringOutput // rediss://host:port, with neither user nor password
	User     string
	Password Secret
	Port     int
	CIDRs    []string
}

// BrokerEndpoint is the message broker.
type BrokerEndpoint struct {
	URL      pulumi.StringOutput // amqps://host:port/vhost, with neither user nor password
	Login    Secret              // a JSON object with username and password
	Manage   pulumi.StringOutput // base URL of the management interface, for queue lengths; empty without one
	Port     int
	CIDRs    []string
	MaxConns int
}

// Secret is a secret in the cloud's own vault, or a value to be kept in a
// Kubernetes secret where there is no vault. Exactly one of them is set.
type Secret struct {
	Vault *VaultSecret
	Value pulumi.StringOutput `platform:"secret"`
}

// VaultSecret is mounted as a file by the secrets-store CSI driver.
type VaultSecret struct {
	Provider string              // of the driver: aws, azure, gcp
	Name     pulumi.StringOutput // the object's name: an ARN, or a resource's path
	Field    string              // of a JSON object; empty takes the whole
	Vault    pulumi.StringOutput // the vault's name where objects are not global
}

// EdgeEndpoint is how requests come in.
type EdgeEndpoint struct {
	APIHost      string
	ConsoleHost  string
	StatusHost   string
	NodePort     int      // on every node, where the balancer sends the API's requests; 0 for an Ingress
	StaticPort   int      // likewise for console, docs and status
	IngressClass string   // of the Ingress, where NodePort is 0
	SourceCIDRs  []string // whence the balancer's requests come, the nodes' networks too: any node passes them on to any pod

	// IngressAnnotations tell the Ingress' controller that pods serve TLS.
	IngressAnnotations map[string]string
}

// Signals are where logs, metrics and alarms are looked at.
type Signals struct {
	LogsURL    pulumi.StringOutput
	Dashboards pulumi.StringMap
	RunbookURL string
	Endpoint   string // OTLP endpoint within the cluster; empty without a collector

	// CollectorNamespace is where the collector runs that reads the pods'
	// metrics; empty without one.
	CollectorNamespace string
}

// BackupTarget is where logical backups go.
type BackupTarget struct {
	URL    pulumi.StringOutput // an objectstore URL: s3://bucket
	Region string
}

// NodeScaling is how nodes come and go with the pods.
type NodeScaling struct {
	Kind string           // cluster-autoscaler or none
	Args pulumi.StringMap // flags that the cloud needs
}
