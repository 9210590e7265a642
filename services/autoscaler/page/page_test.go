package page_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/control"
	"github.com/trivetkv/trivet/services/autoscaler/page"
	"github.com/trivetkv/trivet/services/autoscaler/policy"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

const token = "a token of thirty-two characters"

// still is a driver of a workload in which nothing happens.
type still struct{}

func (still) Observe(context.Context) (control.Workload, error) {
	return control.Workload{Replicas: 3, Ready: 3}, nil
}
func (still) Scale(context.Context, int, string) error { return nil }
func (still) Tell(string, string)                      {}

func source(t *testing.T) page.Source {
	t.Helper()
	c, err := control.New(control.Options{
		Name: "api", Kind: control.KindAPI, API: policy.Default(), Driver: still{}, Location: time.UTC, Clock: time.Now,
		Source: signal.NewSource(http.DefaultClient, time.Now, time.Second), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := c.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return page.Source{Controllers: []*control.Controller{c}, Leading: func() bool { return true }}
}

func ask(t *testing.T, s page.Source, method, path, body string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	page.Handler(s).ServeHTTP(w, r)
	return w
}

func TestDecisionsAreToldToProgramsAndPeople(t *testing.T) {
	t.Parallel()
	s := source(t)
	var status page.Status
	w := ask(t, s, http.MethodGet, "/decisions", "", nil)
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil {
		t.Fatal(err)
	}
	if !status.Leading || len(status.Workloads) != 1 || len(status.Decisions) != 3 || status.Workloads[0].Decision.Reason != policy.ReasonBlind {
		t.Errorf("got %+v", status)
	}
	w = ask(t, s, http.MethodGet, "/decisions", "", map[string]string{"Accept": "text/html"})
	for _, part := range []string{"<svg", "stay at 3: no pod told its numbers"} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("%q is not on the page:\n%s", part, w.Body)
		}
	}
}

func TestOrdersNeedTheToken(t *testing.T) {
	t.Parallel()
	s := source(t)
	var given []page.Order
	s.Order = func(_ context.Context, workload string, o page.Order) error {
		if workload != "api" {
			return page.ErrUnknownWorkload
		}
		given = append(given, o)
		return nil
	}
	bearer := map[string]string{"Authorization": "Bearer " + token}
	const pause = `{"action":"pause"}`
	if w := ask(t, s, http.MethodPost, "/orders/api", pause, bearer); w.Code != http.StatusForbidden {
		t.Errorf("without a token set: %d", w.Code)
	}
	s.Token = token
	for _, c := range []struct {
		path, body string
		header     map[string]string
		want       int
	}{
		{"/orders/api", pause, nil, http.StatusUnauthorized},
		{"/orders/api", pause, map[string]string{"Authorization": "Bearer wrong"}, http.StatusUnauthorized},
		{"/orders/api", pause, bearer, http.StatusNoContent},
		{"/orders/api", `{"action":"set","replicas":4}`, bearer, http.StatusNoContent},
		{"/orders/api", `{"action":"set","replicas":-4}`, bearer, http.StatusBadRequest},
		{"/orders/api", `{"action":"explode"}`, bearer, http.StatusBadRequest},
		{"/orders/api", `{"deed":"pause"}`, bearer, http.StatusBadRequest},
		{"/orders/other", pause, bearer, http.StatusNotFound},
	} {
		if w := ask(t, s, http.MethodPost, c.path, c.body, c.header); w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.path, c.body, w.Code, c.want)
		}
	}
	if len(given) != 2 || given[1].Replicas != 4 {
		t.Errorf("orders %+v", given)
	}
}
