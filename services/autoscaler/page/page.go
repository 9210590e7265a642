// Package page shows decisions: as JSON for programs, as a page with a plot for
// people. It also takes the orders of `trivet scale`.
package page

import (
	"bytes"
	"context"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/trivetkv/trivet/services/autoscaler/control"
)

// Source is what the page shows.
type Source struct {
	Controllers []*control.Controller
	// Leading tells whether this process decides.
	Leading func() bool
	// Order carries out an order about a workload; nil: orders are refused.
	Order func(ctx context.Context, workload string, o Order) error
	// Token is what those who give orders have to bear; empty: nobody may.
	Token string
	// Advice gives right-sizing advice for a workload; nil: there is none.
	Advice func(workload string) (any, error)
}

// Order is what somebody wants done.
type Order struct {
	Action   string `json:"action"` // set, pause, resume, auto
	Replicas int    `json:"replicas,omitempty"`
}

// Status is what GET /decisions answers.
type Status struct {
	Leading   bool             `json:"leading"`
	Workloads []control.Record `json:"workloads"` // the latest decision of each
	Decisions []control.Record `json:"decisions"` // the latest of all, the oldest first
}

// ErrUnknownWorkload says that nobody here scales a workload of that name.
var ErrUnknownWorkload = errors.New("no workload of that name is scaled here")

// Handler serves GET /decisions, POST /orders/{workload} and
// GET /advice/{workload}.
func Handler(s Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /decisions", s.decisions)
	mux.HandleFunc("POST /orders/{workload}", s.order)
	mux.HandleFunc("GET /advice/{workload}", s.advice)
	return mux
}

func (s *Source) decisions(w http.ResponseWriter, r *http.Request) {
	status := Status{Leading: s.Leading()}
	for _, c := range s.Controllers {
		records := c.Records()
		if len(records) > 0 {
			status.Workloads = append(status.Workloads, records[len(records)-1])
		}
		status.Decisions = append(status.Decisions, records...)
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		s.html(w, &status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(status) // the client may have gone
}

func (s *Source) html(w http.ResponseWriter, status *Status) {
	type view struct {
		Latest control.Record
		Plot   template.HTML
		News   []control.Record
	}
	var views []view
	for _, latest := range status.Workloads {
		var records []control.Record
		for _, r := range status.Decisions {
			if r.Workload == latest.Workload {
				records = append(records, r)
			}
		}
		views = append(views, view{latest, plot(records), changes(records)})
	}
	var body bytes.Buffer
	if err := page.Execute(&body, map[string]any{"Leading": status.Leading, "Workloads": views}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = w.Write(body.Bytes()) // the client may have gone
}

// changes are the last twenty decisions that differ from the one before, the
// newest first.
func changes(records []control.Record) []control.Record {
	const most = 20
	var news []control.Record
	for i := len(records) - 1; i > 0 && len(news) < most; i-- {
		a, b := &records[i-1], &records[i]
		if a.Decision.Replicas != b.Decision.Replicas || a.Decision.Reason != b.Decision.Reason || a.Why != b.Why {
			news = append(news, *b)
		}
	}
	return news
}

// plot draws size and load over the records.
func plot(records []control.Record) template.HTML {
	const width, height = 1000., 160.
	mostLoad, mostSize := 1., 1.
	for i := range records {
		d := &records[i].Decision
		mostLoad, mostSize = max(mostLoad, d.Offered), max(mostSize, float64(d.Replicas))
	}
	var load, size strings.Builder
	for i := range records {
		x := width * float64(i) / float64(max(1, len(records)-1))
		d := &records[i].Decision
		fmt.Fprintf(&load, "%.1f,%.1f ", x, height*(1-0.95*d.Offered/mostLoad))
		fmt.Fprintf(&size, "%.1f,%.1f ", x, height*(1-0.95*float64(d.Replicas)/mostSize))
	}
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="load and size"><polyline class="load" points="%s"/><polyline class="size" points="%s"/></svg>`+ //nolint:gosec // numbers
		`<p class="key"><span class="load">load, up to %.0f/s</span> <span class="size">pods, up to %.0f</span></p>`,
		width, height, load.String(), size.String(), mostLoad, mostSize))
}

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("decisions").Parse(pageHTML))

// maxOrder is the most that an order may be long.
const maxOrder = 4 << 10

func (s *Source) order(w http.ResponseWriter, r *http.Request) {
	if s.Order == nil || s.Token == "" {
		http.Error(w, "orders are off: TRIVET_AUTOSCALER_TOKEN is not set", http.StatusForbidden)
		return
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.Token)) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
		return
	}
	var o Order
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		http.Error(w, "the order is no JSON of an order: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err := o.check(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch err := s.Order(r.Context(), r.PathValue("workload"), o); {
	case errors.Is(err, ErrUnknownWorkload):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadGateway)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (o *Order) check() error {
	switch o.Action {
	case "pause", "resume", "auto":
		if o.Replicas != 0 {
			return fmt.Errorf("%s takes no number", o.Action)
		}
	case "set":
		if o.Replicas < 0 {
			return errors.New("a size has to be 0 or more")
		}
	default:
		return fmt.Errorf("the action %q is none of set, pause, resume and auto", o.Action)
	}
	return nil
}

func (s *Source) advice(w http.ResponseWriter, r *http.Request) {
	if s.Advice == nil {
		http.NotFound(w, r)
		return
	}
	advice, err := s.Advice(r.PathValue("workload"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(advice) // the client may have gone
}
