package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/pkg/wire"
	"github.com/trivetkv/trivet/services/api/server"
	"github.com/trivetkv/trivet/services/api/watch"
)

// rig is a server on the real store behind the real cache, reached over
// loopback.
type rig struct {
	t        *testing.T
	store    kv.Store
	server   *server.Server
	host     string
	client   *http.Client
	registry *prometheus.Registry
}

// start starts a server; change may alter its options.
func start(t *testing.T, change ...func(*server.Options)) *rig {
	t.Helper()
	r := &rig{t: t, store: newStore(t), registry: prometheus.NewRegistry()}
	hub := watch.NewHub(r.store, watch.Options{Problem: server.Problem})
	if err := hub.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Stop(t.Context()) })
	opts := server.Options{Listen: "127.0.0.1:0", Store: r.store, Watch: hub, Registerer: r.registry}
	for _, c := range change {
		c(&opts)
	}
	r.store = opts.Store
	var err error
	if r.server, err = server.New(opts); err != nil {
		t.Fatal(err)
	}
	if err := r.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.server.Stop(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	r.host = r.server.Addr().String()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	r.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return r
}

// newStore opens the embedded store, behind a cache, on a file system in
// memory.
func newStore(t testing.TB) kv.Store {
	t.Helper()
	store, err := pebble.Open("data", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	entries, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cached.New(store, entries, cached.Options{})
}

// header is what a test sends along; a value may be there twice.
type header map[string][]string

// headers makes a header of names and values in turn.
func headers(pairs ...string) header {
	h := header{}
	for i := 0; i < len(pairs); i += 2 {
		name := http.CanonicalHeaderKey(pairs[i])
		h[name] = append(h[name], pairs[i+1])
	}
	return h
}

// answer is a response that has been read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// request makes a request whose path and query are sent as they are.
func (r *rig) request(method, target string, h header, body io.Reader) *http.Request {
	r.t.Helper()
	path, query, _ := strings.Cut(target, "?")
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.host+"/", body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.URL = &url.URL{Scheme: "http", Host: r.host, Opaque: path, RawQuery: query}
	for name, values := range h {
		req.Header[name] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req
}

// do sends a request and reads its answer.
func (r *rig) do(method, target string, h header, body string) answer {
	r.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	return r.send(r.request(method, target, h, reader))
}

func (r *rig) send(req *http.Request) answer {
	r.t.Helper()
	response, err := r.client.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", req.Method, req.URL.Opaque, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatalf("%s %s: read the answer: %v", req.Method, req.URL.Opaque, err)
	}
	return answer{t: r.t, status: response.StatusCode, header: response.Header, body: body}
}

func (r *rig) get(path string, pairs ...string) answer {
	r.t.Helper()
	return r.do(http.MethodGet, path, headers(pairs...), "")
}

func (r *rig) put(path, value string, pairs ...string) answer {
	r.t.Helper()
	return r.do(http.MethodPut, path, headers(pairs...), value)
}

func (r *rig) delete(path string, pairs ...string) answer {
	r.t.Helper()
	return r.do(http.MethodDelete, path, headers(pairs...), "")
}

func (r *rig) post(path, body string, pairs ...string) answer {
	r.t.Helper()
	return r.do(http.MethodPost, path, headers(pairs...), body)
}

// want holds an answer against a status, and against a body unless it is "*".
func (a answer) want(status int, body string) answer {
	a.t.Helper()
	if a.status != status || body != "*" && string(a.body) != body {
		a.t.Fatalf("got %d %s, want %d %s", a.status, clip(a.body), status, body)
	}
	return a
}

// wantHeader holds headers, names and values in turn, against an answer. The
// value "" means that the header must not be there.
func (a answer) wantHeader(pairs ...string) answer {
	a.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := a.header.Get(pairs[i]); got != pairs[i+1] {
			a.t.Errorf("%s is %q, want %q", pairs[i], got, pairs[i+1])
		}
	}
	return a
}

// wantProblem holds an answer against the whole of a problem document.
func (a answer) wantProblem(status int, code kv.Code, field, detail string) answer {
	a.t.Helper()
	if got := a.header.Get("Content-Type"); got != wire.ProblemContentType {
		a.t.Fatalf("got %d %s of type %q, want a problem", a.status, clip(a.body), got)
	}
	want := map[string]any{
		"type":       "/docs#code-" + string(code),
		"title":      titles[code],
		"status":     float64(status),
		"code":       string(code),
		"detail":     detail,
		"request_id": a.header.Get("X-Request-Id"),
	}
	if field != "" {
		want["field"] = field
	}
	var got map[string]any
	a.json(&got)
	if a.status != status || !equalJSON(got, want) {
		a.t.Errorf("got %d %s\nwant %d %s", a.status, clip(a.body), status, marshal(a.t, want))
	}
	return a
}

// titles repeats what the server says, so that a change of one is noticed.
var titles = map[kv.Code]string{
	"invalid_argument":        "Invalid argument",
	"unauthenticated":         "Unauthenticated",
	"forbidden":               "Forbidden",
	"not_found":               "Not found",
	"method_not_allowed":      "Method not allowed",
	"conflict":                "Conflict",
	"idempotency_in_progress": "Request in progress",
	"position_expired":        "Position expired",
	"version_mismatch":        "Version mismatch",
	"already_exists":          "Already exists",
	"too_large":               "Too large",
	"unsupported_media_type":  "Unsupported media type",
	"range_not_satisfiable":   "Range not satisfiable",
	"idempotency_mismatch":    "Idempotency key reused",
	"rate_limited":            "Rate limited",
	"quota_exceeded":          "Quota exceeded",
	"internal":                "Internal error",
	"unavailable":             "Unavailable",
	"overloaded":              "Overloaded",
	"timeout":                 "Timeout",
}

// version gives the version in an answer's entity tag.
func (a answer) version() string {
	a.t.Helper()
	tag := a.header.Get("ETag")
	version, ok := strings.CutPrefix(strings.TrimSuffix(tag, `"`), `"`)
	if !ok || version == "" {
		a.t.Fatalf("%d %s has the entity tag %q", a.status, clip(a.body), tag)
	}
	return version
}

func (a answer) json(into any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		a.t.Fatalf("%d %s: %v", a.status, clip(a.body), err)
	}
}

func equalJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func clip(body []byte) string {
	if len(body) > 600 {
		return string(body[:600]) + "…"
	}
	return string(body)
}

// raw sends bytes over a connection of their own, and reads until the server
// closes it.
func (r *rig) raw(request string) string {
	r.t.Helper()
	conn := r.dial()
	if _, err := io.WriteString(conn, request); err != nil {
		r.t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		r.t.Fatalf("after %q: %v", answer, err)
	}
	return string(answer)
}

// dial opens a connection that fails rather than hangs.
func (r *rig) dial() net.Conn {
	r.t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(r.t.Context(), "tcp", r.host)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// metric gives the sum of a metric over all its labels that have the values
// given.
func (r *rig) metric(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			values := []string{}
			for _, label := range m.GetLabel() {
				values = append(values, label.GetValue())
			}
			if !slices.ContainsFunc(labels, func(label string) bool { return !slices.Contains(values, label) }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}
