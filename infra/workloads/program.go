package workloads

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// Ports that the services listen on.
const (
	dataPort  = 8080 // the data API; the autoscaler's decisions and orders
	adminPort = 9090 // health, readiness, metrics
)

// How services stop. The drain delay covers how long a node goes on sending
// new connections to a pod that is about to end; what is under way has the rest
// of the stop time-out.
const (
	drainDelay  = 10 * time.Second
	stopTimeout = 45 * time.Second

	// closing is how long a process may take, behind its stop time-out, to close
	// its database and its cache: 5 s each, and the exit.
	closing = 15 * time.Second
)

// gracePeriod is when the kubelet stops waiting for a process to end. A process
// that keeps to its own time-outs is never killed.
const gracePeriod = stopTimeout + closing

// program is a service as it runs on the cluster: one row of the table of what
// differs between them.
type program struct {
	service string // as the stack file calls it
	stack.Service

	serves   bool // the data port, to those outside of the pod
	backends bool // database, cache and broker
	scaled   bool // its size follows the load
	operates bool // it talks to Kubernetes' API, so that it needs a token
}

// setting is a variable of a program that is no secret.
type setting struct {
	name  string
	value pulumi.StringInput
}

// programs are the services that this deployment runs. The health check joins
// the table once there is such a program.
func (s *site) programs() ([]program, error) {
	table := []program{
		{service: "api", serves: true, backends: true, scaled: true},
		{service: "consumer", backends: true, scaled: true},
		{service: "autoscaler", operates: true},
	}
	table = slices.DeleteFunc(table, func(p program) bool { return !s.runs(p.service) })
	needed := make([]string, 0, len(table)+1)
	for i := range table {
		table[i].Service = s.args.Services[table[i].service]
		needed = append(needed, table[i].service)
	}
	if s.on.Nodes.Kind == "cluster-autoscaler" {
		needed = append(needed, nodeAutoscaler)
	}
	for _, name := range needed {
		if s.args.Services[name].Image == "" {
			return nil, fmt.Errorf("service %s: %w", name, errNoImage)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.args.Services)) {
		for _, text := range []string{s.args.Services[name].CPU, s.args.Services[name].Memory} {
			if _, err := resource.ParseQuantity(text); err != nil {
				return nil, fmt.Errorf("service %s: %q is no quantity as Kubernetes writes it: %w", name, text, err)
			}
		}
	}
	return table, nil
}

// surge is how many pods a rollout adds: a quarter, and at least one, since
// none may be missing meanwhile.
func surge(replicas int) int { return max(int(math.Ceil(float64(replicas)/4)), 1) }

// most is how many pods of a service there may be at once.
func most(configured stack.Service) int { return configured.Max + surge(configured.Max) }

// Bounds of a process's share of the database's connections, as the services
// themselves have them, and what is left to people and to jobs.
const (
	minConnections      = 4
	maxConnections      = 64
	reservedConnections = 20
)

// connections shares the database's out among as many pods as there may be at
// once; 0 where the platform does not tell how many it takes.
func (s *site) connections() int {
	if s.on.Database.MaxConns == 0 {
		return 0
	}
	pods := most(s.args.Services["api"]) + most(s.args.Services["consumer"])
	return min(max((s.on.Database.MaxConns-reservedConnections)/pods, minConnections), maxConnections)
}

func (s *site) passwordLogin() bool { return s.on.Database.Login == platform.LoginPassword }
