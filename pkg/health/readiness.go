// Package health tells whether a process is alive, whether it wants requests,
// and how its dependencies are, and serves that with the metrics on a listener
// for operators.
package health

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// State is how far a process is between start and stop.
type State string

// States, in the order in which a process passes through them.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Draining State = "draining"
)

// Readiness tells a load balancer whether to send requests to this process. It
// speaks of the process alone: a shared dependency that is down would empty
// the balancer at once. The zero value is Starting.
type Readiness struct {
	state atomic.Int32

	mu         sync.Mutex
	conditions []func() error
}

const (
	starting int32 = iota
	ready
	draining
)

// Started says that the process serves. After Drain it does nothing.
func (r *Readiness) Started() { r.state.CompareAndSwap(starting, ready) }

// Drain says that the process is about to stop and wants no new requests.
func (r *Readiness) Drain() { r.state.Store(draining) }

// State gives the current state.
func (r *Readiness) State() State {
	switch r.state.Load() {
	case starting:
		return Starting
	case ready:
		return Ready
	default:
		return Draining
	}
}

// Require makes readiness depend on a condition of this process besides, which
// is asked with every request. It tells why the process is not ready, nil when
// it is.
func (r *Readiness) Require(condition func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conditions = append(r.conditions, condition)
}

// unmet gives the first condition that does not hold.
func (r *Readiness) unmet() error {
	r.mu.Lock()
	conditions := slices.Clone(r.conditions)
	r.mu.Unlock()
	for _, condition := range conditions {
		if err := condition(); err != nil {
			return err
		}
	}
	return nil
}

// ServeHTTP answers /ready: 200 while the process is Ready and all that is
// required holds, else 503 with the reason.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	report := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{Status: string(r.State())}
	if report.Status != string(Ready) {
		answer(w, http.StatusServiceUnavailable, report)
		return
	}
	if err := r.unmet(); err != nil {
		report.Status, report.Reason = "not ready", err.Error()
		answer(w, http.StatusServiceUnavailable, report)
		return
	}
	answer(w, http.StatusOK, report)
}
