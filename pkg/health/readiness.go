// Package health tells whether a process is alive, whether it wants requests,
// and how its dependencies are, and serves that with the metrics on a listener
// for operators.
package health

import (
	"net/http"
	"sync/atomic"
)

// State is how far a process is between start and stop.
type State string

// States, in the order in which a process passes through them.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Draining State = "draining"

	// CutOff is a ready process that does not reach what others reach.
	CutOff State = "cut_off"
)

// Readiness tells a load balancer whether to send requests to this process. It
// speaks of the process alone: a shared dependency that is down would empty
// the balancer at once, so that one counts only when others reach it. The zero
// value is Starting.
type Readiness struct {
	state  atomic.Int32
	cutOff atomic.Pointer[func() bool]
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

// CutOffWhen names the condition under which requests are better off at another
// process.
func (r *Readiness) CutOffWhen(condition func() bool) { r.cutOff.Store(&condition) }

// State gives the current state.
func (r *Readiness) State() State {
	switch r.state.Load() {
	case starting:
		return Starting
	case ready:
		if condition := r.cutOff.Load(); condition != nil && (*condition)() {
			return CutOff
		}
		return Ready
	default:
		return Draining
	}
}

// ServeHTTP answers /ready: 200 while the process is Ready, else 503.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	state := r.State()
	status := http.StatusOK
	if state != Ready {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, struct {
		Status State `json:"status"`
	}{state})
}
