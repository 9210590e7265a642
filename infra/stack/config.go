// Package stack reads the typed configuration of a stack: what its file says,
// on top of the defaults of its tier, validated before anything is made.
package stack

import (
	"time"

	"github.com/trivetkv/trivet/infra/platform"
)

// Config is everything that a stack file says. JSON names are those of the
// settings, each a key below "trivet:"; the fields of Spec stand beside the
// others there.
type Config struct {
	Cloud       string             `json:"cloud"`      // where: aws
	Layer       Layer              `json:"layer"`      // what of it this stack makes: all, cloud or workloads
	Profile     Profile            `json:"profile"`    // which defaults the tier takes: standard or lean
	CloudStack  string             `json:"cloudStack"` // stack of layer cloud, ORGANIZATION/PROJECT/STACK, that layer workloads stands on
	Spec        platform.Spec      `json:",inline"`
	Services    map[string]Service `json:"services"`    // by name: api, consumer, autoscaler, healthcheck, migrate, node-autoscaler
	Autoscaling Autoscaling        `json:"autoscaling"` // who sets the services' sizes: trivet, hpa or none
	Waivers     []Waiver           `json:"waivers"`     // guardrails that may be broken, where, why and until when
	Load        Traffic            `json:"load"`        // what the estimate of usage charges is made for
}

// Layer is the part of the platform that a stack makes.
type Layer string

// The layers. Two stacks, of which one makes the cloud and one the workloads,
// let those deploy workloads who have no rights in the cloud.
const (
	LayerAll       Layer = "all"
	LayerCloud     Layer = "cloud"
	LayerWorkloads Layer = "workloads"
)

// HasCloud tells whether the stack makes resources of the cloud.
func (l Layer) HasCloud() bool { return l != LayerWorkloads }

// HasWorkloads tells whether the stack makes resources in the cluster.
func (l Layer) HasWorkloads() bool { return l != LayerCloud }

// Profile chooses among the defaults of a tier.
type Profile string

// The profiles. Lean is the least that production's rules allow: every part in
// as many zones, each of them small.
const (
	ProfileStandard Profile = "standard"
	ProfileLean     Profile = "lean"
)

// Autoscaling says who sets the services' sizes.
type Autoscaling string

// The autoscalers: Trivet's own, the cluster's by processor load, or nobody.
const (
	AutoscalingTrivet Autoscaling = "trivet"
	AutoscalingHPA    Autoscaling = "hpa"
	AutoscalingNone   Autoscaling = "none"
)

// Service is one program on the cluster.
type Service struct {
	Image  string `json:"image"`  // sha256:… in the platform's own registry, or a whole reference with its digest
	Min    int    `json:"min"`    // replicas
	Max    int    `json:"max"`    // replicas, for the autoscaler
	CPU    string `json:"cpu"`    // of each replica, as Kubernetes writes it: 500m
	Memory string `json:"memory"` // of each replica, as Kubernetes writes it: 512Mi
}

// Waiver lets a resource break a guardrail until a day.
type Waiver struct {
	Rule     string `json:"rule"`     // name of the guardrail
	Resource string `json:"resource"` // logical name or URN of the resource
	Reason   string `json:"reason"`   // why, for whoever reads it a year from now
	Expires  string `json:"expires"`  // last day, YYYY-MM-DD, in UTC
}

// ExpiredAt tells whether the waiver's last day is over.
func (w Waiver) ExpiredAt(now time.Time) bool {
	last, err := time.Parse(time.DateOnly, w.Expires)
	return err != nil || !now.Before(last.AddDate(0, 0, 1))
}

// Traffic is what clients do, for the estimate of what usage costs.
type Traffic struct {
	ReadsPerSecond  int `json:"readsPerSecond"`  // on average
	WritesPerSecond int `json:"writesPerSecond"` // on average
	ValueBytes      int `json:"valueBytes"`      // of a typical value
	EgressGB        int `json:"egressGB"`        // a month, to the internet
}
