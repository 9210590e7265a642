package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// MinAutoscalerTokenCharacters is how long the token for orders has to be.
const MinAutoscalerTokenCharacters = 32

// Autoscaler says what the autoscaler scales and within which limits.
type Autoscaler struct {
	Listen     Address         `env:"TRIVET_AUTOSCALER_LISTEN" envDefault:":8080" doc:"Address of /decisions and of the orders of \"trivet scale\", HOST:PORT."`
	Token      Secret          `env:"TRIVET_AUTOSCALER_TOKEN" doc:"Bearer token of those who may give orders with \"trivet scale\", 32 characters or more. Without one, orders are annotations only."`
	Namespace  string          `env:"TRIVET_AUTOSCALER_NAMESPACE" envDefault:"trivet" doc:"Kubernetes namespace of the workloads; the Lease and the stored state are kept there, too."`
	Kubeconfig string          `env:"TRIVET_AUTOSCALER_KUBECONFIG" doc:"File that says how to reach the cluster. Without it, the autoscaler's own pod tells."`
	Workloads  ScaledWorkloads `env:"TRIVET_AUTOSCALER_WORKLOADS" envDefault:"[{\"name\":\"trivet-api\",\"kind\":\"api\"},{\"name\":\"trivet-consumer\",\"kind\":\"consumer\"}]" doc:"What is scaled, as a JSON list of Deployments; docs/autoscaling.md has the fields."`
	PodsCA     string          `env:"TRIVET_AUTOSCALER_PODS_CA" doc:"File of the authorities, PEM, that sign the pods' certificates. With it pods are asked for their numbers over TLS, and their certificate has to be for DEPLOYMENT.NAMESPACE.svc."`

	// PrometheusURL is of a server that knows the pods' numbers.
	PrometheusURL   string `env:"TRIVET_AUTOSCALER_PROMETHEUS_URL" doc:"URL of a Prometheus server to ask instead of the pods. It has to scrape them at least every 30 s and label them with namespace and pod. Asking the pods sees a change within 2 s."`
	PrometheusToken Secret `env:"TRIVET_AUTOSCALER_PROMETHEUS_TOKEN" doc:"Bearer token for the Prometheus server."`

	DryRun   bool     `env:"TRIVET_AUTOSCALER_DRY_RUN" envDefault:"false" doc:"\"true\" decides and tells, and changes nothing."`
	TimeZone TimeZone `env:"TRIVET_AUTOSCALER_TIMEZONE" envDefault:"UTC" doc:"Time zone of the users, whose days and weeks shape the load, such as \"Europe/Vienna\"; schedules are in it, too."`
}

// ScaledWorkload is a Deployment that is scaled. Zero values are defaults.
type ScaledWorkload struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"` // api or consumer
	Min         *int     `json:"min"`
	Max         int      `json:"max"`
	MetricsPort int      `json:"metrics_port"`
	PodRate     float64  `json:"pod_rate"`
	Startup     Duration `json:"startup"`
	Objective   Duration `json:"objective"`   // of an api: latency of 99 %
	Drain       Duration `json:"drain"`       // of a consumer
	MissCost    float64  `json:"miss_cost"`   // of an api: pod-seconds
	Connections int      `json:"connections"` // of one pod to what is behind it
	// MaxConnections is how many connections what is behind takes of all pods.
	MaxConnections int `json:"max_connections"`
}

// ScaledWorkloads are Deployments that are scaled.
type ScaledWorkloads []ScaledWorkload

// UnmarshalText reads a JSON list.
func (w *ScaledWorkloads) UnmarshalText(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode((*[]ScaledWorkload)(w)); err != nil {
		return &formatError{"a JSON list of workloads"}
	}
	return nil
}

// Duration is a duration in JSON, such as "30s".
type Duration time.Duration

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// TimeZone is a time zone by its name.
type TimeZone struct{ *time.Location }

// UnmarshalText reads a name of the IANA database.
func (z *TimeZone) UnmarshalText(text []byte) error {
	location, err := time.LoadLocation(string(text))
	if err != nil {
		return &formatError{"a time zone such as UTC or Europe/Vienna"}
	}
	z.Location = location
	return nil
}

// Validate refuses a token that could be guessed and workloads that name
// nothing.
func (a *Autoscaler) Validate() error {
	if n := len(a.Token.Reveal()); n > 0 && n < MinAutoscalerTokenCharacters {
		return &Error{Name: "TRIVET_AUTOSCALER_TOKEN", Problem: fmt.Sprintf("it has %d characters; it needs %d or more", n, MinAutoscalerTokenCharacters)}
	}
	if u, err := url.Parse(a.PrometheusURL); err != nil || a.PrometheusURL != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return &Error{Name: "TRIVET_AUTOSCALER_PROMETHEUS_URL", Problem: "it has to be http://HOST or https://HOST, with a port and a path if need be"}
	}
	if len(a.Workloads) == 0 {
		return &Error{Name: "TRIVET_AUTOSCALER_WORKLOADS", Problem: "it names no workload"}
	}
	seen := make(map[string]bool)
	for _, w := range a.Workloads {
		if w.Name == "" || seen[w.Name] || w.Kind != "api" && w.Kind != "consumer" {
			return &Error{Name: "TRIVET_AUTOSCALER_WORKLOADS", Problem: "each workload needs a name of its own, and the kind api or consumer"}
		}
		seen[w.Name] = true
	}
	return nil
}

// Adviser says whether a process shows what the autoscaler would do.
type Adviser struct {
	Advise bool `env:"TRIVET_AUTOSCALER_ADVISE" envDefault:"true" doc:"\"true\" shows, in metrics and in the log, how many pods the load on this process would need. Nothing is changed."`
}

// AutoscalerClient says where "trivet scale" finds the autoscaler.
type AutoscalerClient struct {
	URL   string `env:"TRIVET_AUTOSCALER_URL" envDefault:"http://localhost:8080" doc:"URL of the autoscaler that \"trivet scale\" talks to; the flag --autoscaler wins over it."`
	Token Secret `env:"TRIVET_AUTOSCALER_CLIENT_TOKEN" doc:"Token that \"trivet scale\" bears when it gives orders."`
}
