package health

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// checkTimeout bounds one look at a dependency, so that a page that lists all
// of them answers while one hangs.
const checkTimeout = 2 * time.Second

// Dependency is something that requests need.
type Dependency struct {
	Name string
	Ping func(ctx context.Context) error
}

// Condition is how a dependency was when it was last looked at.
type Condition struct {
	Name      string  `json:"name"`
	State     string  `json:"state"` // "up" or "down"
	LatencyMS float64 `json:"latency_ms"`
	Error     string  `json:"error,omitempty"`
}

// Check looks at all dependencies at once and gives their conditions in the
// same order.
func Check(ctx context.Context, dependencies []Dependency) []Condition {
	conditions := make([]Condition, len(dependencies))
	var wg sync.WaitGroup
	for i, d := range dependencies {
		wg.Go(func() { conditions[i] = d.check(ctx) })
	}
	wg.Wait()
	return conditions
}

// check never waits longer than checkTimeout, also for a Ping that does not
// heed its context.
func (d Dependency) check(ctx context.Context) Condition {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	start := time.Now()
	answered := make(chan error, 1)
	go func() { answered <- d.Ping(ctx) }()
	var err error
	select {
	case err = <-answered:
	case <-ctx.Done():
		err = ctx.Err()
	}
	c := Condition{Name: d.Name, State: "up", LatencyMS: float64(time.Since(start).Microseconds()) / 1000}
	if err != nil {
		c.State, c.Error = "down", err.Error()
	}
	return c
}

// Live answers /health: 200 as long as the process can answer at all. A
// dependency that is down is no reason to restart it.
func Live(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// Verbose answers /health as Live does, and /health?verbose with the condition
// of each dependency. Errors show how the process is deployed, so it belongs
// on the admin listener.
func Verbose(dependencies []Dependency) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("verbose") {
			Live(w, r)
			return
		}
		report := struct {
			Status       string      `json:"status"`
			Dependencies []Condition `json:"dependencies"`
		}{"ok", Check(r.Context(), dependencies)}
		for _, c := range report.Dependencies {
			if c.State != "up" {
				report.Status = "degraded"
			}
		}
		answer(w, http.StatusOK, report)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone when this fails
}
