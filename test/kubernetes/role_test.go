package kubernetes_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/trivetkv/trivet/services/autoscaler/control"
	driver "github.com/trivetkv/trivet/services/autoscaler/control/kubernetes"
	"github.com/trivetkv/trivet/services/autoscaler/policy"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// What the autoscaler asks of the API server is what its role allows, no more
// and no less.
func TestTheRoleIsTheLeastThatWorks(t *testing.T) {
	c := newCluster(t, objects{PodRate: podRate})
	asked := &requests{seen: make(map[string]bool)}
	config := rest.CopyConfig(c.config)
	config.Impersonate.UserName = "system:serviceaccount:" + c.namespace + ":" + autoscaler
	config.Wrap(asked.record)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	target := driver.Target{Namespace: c.namespace, Name: api, MetricsPort: 9091}
	set := func(size string, replicas int) {
		t.Helper()
		if err := driver.Order(t.Context(), client, target, map[string]*string{driver.AnnotationFixed: &size}); err != nil {
			t.Fatal(err)
		}
		c.eventually(time.Minute, "the size is "+size, func() bool { now, _, _ := c.size(api); return now == replicas })
	}
	// The first run makes the Lease and the stored state, the second finds them.
	for range 2 {
		m := manager(t, client, target)
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		// An Event that is like one before is counted up.
		for i := 0; i < 2 || i < 16 && !asked.has("patch /events"); i++ {
			set("3", 3)
			set("2", 2)
		}
		c.decidesAgain(m, 2)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := m.Stop(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
	allowed := rules(t, c.role())
	got := asked.all()
	for _, request := range got {
		if !slices.Contains(allowed, request) {
			t.Errorf("%s is asked for and not in the role", request)
		}
	}
	for _, rule := range allowed {
		if !slices.Contains(got, rule) {
			t.Errorf("%s is in the role and never asked for", rule)
		}
	}
	if refused := asked.refusals(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}

func manager(t *testing.T, client kubernetes.Interface, target driver.Target) *driver.Manager {
	t.Helper()
	m, err := driver.New(driver.Options{
		Client: client, Namespace: target.Namespace, Identity: "test", Name: autoscaler, Targets: []driver.Target{target}, Logger: slog.New(slog.DiscardHandler),
		Controller: func(_ driver.Target, d control.Driver) (*control.Controller, error) {
			return control.New(control.Options{
				Name: api, Kind: control.KindAPI, API: policy.Default(), Driver: d, Source: signal.NewSource(http.DefaultClient, time.Now, time.Second),
				Clock: time.Now, Location: time.UTC, Logger: slog.New(slog.DiscardHandler),
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// decidesAgain waits for decisions of a manager of this process.
func (c *cluster) decidesAgain(m *driver.Manager, more int) {
	c.t.Helper()
	before := len(m.Controllers()[0].Records())
	c.eventually(time.Minute, "decisions", func() bool { return len(m.Controllers()[0].Records()) >= before+more })
}

// requests remembers what was asked of the API server, as rules of a role say
// it: "get apps/deployments/scale".
type requests struct {
	mu      sync.Mutex
	seen    map[string]bool
	refused []string
}

func (r *requests) record(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		rule := ruleOf(request)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen[rule] = true
		if err == nil && response.StatusCode == http.StatusForbidden {
			r.refused = append(r.refused, rule)
		}
		return response, err
	})
}

func (r *requests) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for rule := range r.seen {
		all = append(all, rule)
	}
	slices.Sort(all)
	return all
}

func (r *requests) has(rule string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[rule]
}

func (r *requests) refusals() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// ruleOf says a request in the words of a role. Paths are
// /api/v1/namespaces/NS/RESOURCE[/NAME[/SUBRESOURCE]] and
// /apis/GROUP/VERSION/namespaces/….
func ruleOf(r *http.Request) string {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	group := ""
	if path[0] == "apis" {
		group, path = path[1], path[1:]
	}
	path = path[4:] // api or the group, version, "namespaces", the namespace
	resource := path[0]
	if len(path) > 2 {
		resource += "/" + path[2]
	}
	verb := map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete", http.MethodGet: "get"}[r.Method]
	if verb == "get" && len(path) == 1 {
		verb = "list"
		if r.URL.Query().Get("watch") != "" {
			verb = "watch"
		}
	}
	return verb + " " + group + "/" + resource
}

// rules are what a role allows, one by one.
func rules(t *testing.T, manifest string) []string {
	t.Helper()
	var role rbacv1.Role
	if err := yaml.UnmarshalStrict([]byte(manifest), &role); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, rule := range role.Rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all = append(all, verb+" "+group+"/"+resource)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
