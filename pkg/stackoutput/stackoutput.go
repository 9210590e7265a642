// Package stackoutput is what a stack of the cloud program tells about itself:
// the outputs of "pulumi up", which people and the command line read.
package stackoutput

// Version is of the form of the outputs. It changes when a reader of the old
// form could misunderstand the new one; additions leave it as it is.
const Version = 1

// Outputs are those of a stack. A layer tells what it makes: the layer cloud
// leaves out what is of the workloads, and the other way round.
type Outputs struct {
	Version int   `json:"version" doc:"Form of these outputs, 1. Additions do not change it."`
	Stack   Stack `json:"stack" doc:"Which stack this is: name, tier, layer, cloud, region."`

	APIURL            string            `json:"apiUrl" doc:"Base URL of the data API, for clients."`
	StatusURL         string            `json:"statusUrl" doc:"The status page."`
	ConsoleURL        string            `json:"consoleUrl" doc:"The web console and the API's documentation."`
	Dashboards        map[string]string `json:"dashboards" doc:"URLs of the dashboards, by name."`
	Runbooks          string            `json:"runbooks" doc:"Where the runbooks are that alarms link to."`
	LogsURL           string            `json:"logsUrl" doc:"Where logs are searched."`
	KubeconfigCommand string            `json:"kubeconfigCommand" doc:"The command that lets kubectl reach the cluster, for those whose role may."`
	Namespace         string            `json:"namespace" doc:"Kubernetes namespace of the services."`
	Endpoints         Endpoints         `json:"endpoints" doc:"Where database, cache and broker are, within the network; no credentials."`
	Backup            Backup            `json:"backup" doc:"Where logical backups go, and in which region."`

	Images map[string]string `json:"images" layer:"workloads" doc:"The image of each service that runs, with its digest."`

	RootToken       string `json:"rootToken" layer:"workloads" secret:"true" doc:"An administrator's token, with which the first tokens are made."`
	AutoscalerToken string `json:"autoscalerToken" layer:"workloads" secret:"true" doc:"Token of those who give orders with \"trivet scale\"; none without Trivet's autoscaler."`

	MonthlyCostUSD float64    `json:"monthlyCostUSD" doc:"What the stack's resources cost in a month whether they are used or not, estimated, in US dollars."`
	Cost           Cost       `json:"cost" doc:"Its parts, and what the stated load costs beside it."`
	Guardrails     Guardrails `json:"guardrails" doc:"How many guardrails hold and fail, and which are waived."`

	Platform map[string]any `json:"platform" layer:"cloud" secret:"true" doc:"Contract with the stack of layer workloads: access to the cluster and endpoints, in a form with a version of its own."`
}

// Stack says which stack it is.
type Stack struct {
	Name   string `json:"name"`
	Tier   string `json:"tier"`
	Layer  string `json:"layer"`
	Cloud  string `json:"cloud"`
	Region string `json:"region"`
}

// Endpoints are where the backends are.
type Endpoints struct {
	Database string `json:"database"` // HOST:PORT/NAME
	Cache    string `json:"cache"`    // URL
	Broker   string `json:"broker,omitempty"`
}

// Backup is where logical backups go.
type Backup struct {
	URL    string `json:"url"` // of an object store
	Region string `json:"region"`
}

// Cost is the estimate in parts, in US dollars a month.
type Cost struct {
	Tiers    map[string]float64 `json:"tiers"`    // of MonthlyCostUSD, by part of the platform
	UsageUSD float64            `json:"usageUSD"` // at the load that the stack file states
	Usage    map[string]float64 `json:"usage"`    // of UsageUSD, by item
	Unpriced []string           `json:"unpriced"` // what is in neither, for want of a price
	PricesOf string             `json:"pricesOf"` // date of the oldest price
}

// Guardrails are the rules that the stack was judged by.
type Guardrails struct {
	Passed int      `json:"passed"`
	Failed int      `json:"failed"`
	Waived []Waived `json:"waived"`
}

// Waived is a rule that may be broken for a while.
type Waived struct {
	Rule     string `json:"rule"`
	Resource string `json:"resource"`
	Reason   string `json:"reason"`
}
