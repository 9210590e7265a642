package openapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/deferred"
	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/services/api/openapi"
	"github.com/trivetkv/trivet/services/api/server"
	"github.com/trivetkv/trivet/services/api/watch"
)

// rig is a server whose every answer is held against the document.
type rig struct {
	t        *testing.T
	contract *contract
	host     string
}

// start starts a server on a store; change may alter its options.
func start(t *testing.T, c *contract, store kv.Store, change ...func(*server.Options)) *rig {
	t.Helper()
	hub := watch.NewHub(store, watch.Options{Problem: server.Problem})
	keys := auth.NewRegistry(store, auth.RegistryOptions{})
	registry := prometheus.NewRegistry()
	opts := server.Options{
		Listen:         "127.0.0.1:0",
		Store:          store,
		Watch:          hub,
		Tokens:         keys,
		OpenAPI:        openapi.Handler(),
		Docs:           openapi.Handler(),
		Metrics:        promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Registerer:     registry,
		RequestTimeout: 5 * time.Second,
	}
	for _, f := range change {
		f(&opts)
	}
	s, err := server.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []func(context.Context) error{hub.Start, s.Start} {
		if err := start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, stop := range []func(context.Context) error{hub.Stop, s.Stop} {
			if err := stop(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	return &rig{t: t, contract: c, host: s.Addr().String()}
}

func newStore(t *testing.T) kv.Store {
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
	return store
}

// answer is a response that has been read and held against the document.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// call makes the request of an operation: a target as it is sent, a body, and
// headers, names and values in turn.
func (r *rig) call(id, target, body string, headers ...string) answer {
	r.t.Helper()
	operation, ok := r.contract.operations[id]
	if !ok {
		r.t.Fatalf("there is no operation %s", id)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, operation.method, "http://"+r.host, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	req.URL = &url.URL{Scheme: "http", Host: r.host, Opaque: path, RawQuery: query}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatalf("%s: %v", id, err)
	}
	defer func() { _ = res.Body.Close() }()
	var read []byte
	if res.Header.Get("Content-Type") == "text/event-stream" {
		read = make([]byte, len("retry: 1000\n"))
		_, err = io.ReadFull(res.Body, read)
	} else {
		read, err = io.ReadAll(res.Body)
	}
	if err != nil {
		r.t.Fatalf("%s: read the answer: %v", id, err)
	}
	r.contract.check(r.t, id, res, read)
	return answer{r.t, res.StatusCode, res.Header, string(read)}
}

// want holds an answer's status against what the test is about.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("got %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// request is one that its operation takes.
type request struct{ target, body string }

// requests has one for every operation.
var requests = map[string]request{
	"getValue":           {"/v1/kv/app/text", ""},
	"headValue":          {"/v1/kv/app/text", ""},
	"putValue":           {"/v1/kv/app/text", "hello"},
	"deleteValue":        {"/v1/kv/app/text", ""},
	"incrementValue":     {"/v1/kv/app/number/increment", `{"by":1}`},
	"listKeys":           {"/v1/kv/app", ""},
	"runBatch":           {"/v1/batch/app", `{"operations":[{"op":"put","key":"text","value":"aGVsbG8="}]}`},
	"runTxn":             {"/v1/txn/app", `{"success":[{"op":"put","key":"text","value":"aGVsbG8="}]}`},
	"watchChanges":       {"/v1/watch/app", ""},
	"getHistory":         {"/v1/history/app/text", ""},
	"restoreVersion":     {"/v1/history/app/text/restore", `{"version":1}`},
	"listNamespaces":     {"/v1/namespaces", ""},
	"getNamespace":       {"/v1/namespaces/app", ""},
	"putNamespace":       {"/v1/namespaces/app", `{"retention":"24h","default_ttl":"1h","max_keys":100000,"max_bytes":100000000}`},
	"listTokens":         {"/v1/tokens", ""},
	"createToken":        {"/v1/tokens", `{"name":"n","scopes":[{"namespace":"app-*","prefix":"a/","access":["read","write"]}],"ttl":"1h"}`},
	"getToken":           {"/v1/tokens/000000000000", ""},
	"rotateToken":        {"/v1/tokens/000000000000/rotate", `{"overlap":"1h"}`},
	"revokeToken":        {"/v1/tokens/000000000000", ""},
	"getOperation":       {"/v1/operations/" + kv.NewWriteID(time.Now()).String(), ""},
	"getOpenAPI":         {"/openapi.json", ""},
	"getReference":       {"/docs", ""},
	"getErrorReference":  {"/docs/errors", ""},
	"getReferenceScript": {"/docs/reference.js", ""},
	"getHealth":          {"/health", ""},
	"getReadiness":       {"/ready", ""},
	"getMetrics":         {"/metrics", ""},
}

// Real answers of a running server, of every call and every status, are what
// the document says; and what the document says is answered.
func TestAnswersAreAsDocumented(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	for id := range c.operations {
		if _, ok := requests[id]; !ok {
			t.Fatalf("the test has no request for %s", id)
		}
	}
	store := newStore(t)
	r := start(t, c, store)
	successes(r)
	refusals(r)
	malformed(r)
	asynchronous(start(t, c, store, func(o *server.Options) { o.Broker = atOnce{store: store} }))
	limits(start(t, c, store, func(o *server.Options) { o.MaxValueBytes, o.MaxJSONBytes = 100, 200 }))
	tokens(start(t, c, store, func(o *server.Options) {
		a := auth.New(auth.Options{RootToken: "secret"})
		o.Authenticate = func(r *http.Request) (*auth.Principal, error) { return a.Authenticate(r.Context(), r.Header) }
	}))
	caller(start(t, c, store, as("somebody")))
	down(start(t, c, store, func(o *server.Options) {
		o.Authenticate = func(*http.Request) (*auth.Principal, error) {
			return nil, &kv.Error{Code: kv.CodeUnavailable, Detail: "the issuer is down", RetryAfter: time.Second}
		}
	}))
	refused(start(t, c, store, as("somebody"), func(o *server.Options) { o.Limits.CallerRate = 1 }), http.StatusTooManyRequests)
	busy(t, c, store)
	failures(t, c)
	draining := new(health.Readiness)
	s := start(t, c, store, func(o *server.Options) { o.Readiness = draining })
	draining.Drain()
	s.call("getReadiness", "/ready", "").want(http.StatusServiceUnavailable)

	for _, answer := range c.unseen(t) {
		t.Errorf("documented, and never answered: %s", answer)
	}
}

// successes are all the ways in which calls can go well.
func successes(r *rig) {
	r.t.Helper()
	r.call("putNamespace", "/v1/namespaces/app", requests["putNamespace"].body).want(200)
	r.call("putValue", "/v1/kv/app/text", "hello", "Content-Type", "text/plain", "Trivet-TTL", "90s", "Trivet-Meta-Owner", "team-a").want(201)
	tag := r.call("putValue", "/v1/kv/app/text", "hello again", "Trivet-TTL", "90s", "Trivet-Meta-Owner", "team-a", "Content-Type", "text/plain").want(200).header.Get("ETag")
	version := strings.Trim(tag, `"`)
	for _, id := range []string{"getValue", "headValue"} {
		r.call(id, "/v1/kv/app/text", "").want(200)
		r.call(id, "/v1/kv/app/text", "", "Cache-Control", "no-cache").want(200)
		r.call(id, "/v1/kv/app/text", "", "If-None-Match", tag).want(304)
	}
	r.call("getValue", "/v1/kv/app/text", "", "Range", "bytes=0-3").want(206)
	r.call("putValue", "/v1/kv/app/dGV4dC8v?key_encoding=base64", "", "If-None-Match", "*").want(201)
	r.call("putValue", "/v1/kv/app/%ff/a", "not UTF-8").want(201)
	r.call("putValue", "/v1/kv/app/%ff/b", "not UTF-8").want(201)

	for range 2 {
		r.call("incrementValue", "/v1/kv/app/number/increment", `{"by":1}`, "Idempotency-Key", "count").want(200)
	}
	r.call("listKeys", "/v1/kv/app?values=true", "").want(200)
	r.call("listKeys", "/v1/kv/app?delimiter=/&limit=1", "").want(200)
	r.call("listKeys", "/v1/kv/app?delimiter=/", "").want(200)
	const batch = `{"operations":[{"op":"put","key":"b","value":"aGVsbG8=","content_type":"text/plain","meta":{"a":"b"},"ttl":"1h"},
		{"op":"get","key":"b"},{"op":"increment","key":"n","by":2},{"op":"delete","key":"b"},{"op":"get","key":"b"},{"op":"nonsense","key":"b"}]}`
	for range 2 {
		r.call("runBatch", "/v1/batch/app", batch, "Idempotency-Key", "batch").want(200)
	}
	const txn = `{"compare":[{"key":"absent","target":"version","is":"eq","version":0}],
		"success":[{"op":"put","key":"t","value":""},{"op":"get","key":"t"},{"op":"increment","key":"n","by":1},{"op":"get","key":"absent"}]}`
	for range 2 {
		r.call("runTxn", "/v1/txn/app", txn, "Idempotency-Key", "txn").want(200)
	}
	r.call("runTxn", "/v1/txn/app", `{"compare":[{"key":"text","target":"value","is":"eq","value":""}]}`).want(200)

	r.call("getHistory", "/v1/history/app/text?limit=1", "").want(200)
	r.call("getHistory", "/v1/history/app/text?version="+version, "").want(200)
	r.call("getHistory", "/v1/history/app/text?version="+version, "", "If-None-Match", tag).want(304)
	r.call("getHistory", "/v1/history/app/text?version="+version, "", "Range", "bytes=-4").want(206)
	r.call("deleteValue", "/v1/kv/app/text", "", "If-Match", tag, "Idempotency-Key", "delete").want(204)
	r.call("deleteValue", "/v1/kv/app/text", "", "If-Match", tag, "Idempotency-Key", "delete").want(204)
	r.call("getHistory", "/v1/history/app/text", "").want(200)
	r.call("restoreVersion", "/v1/history/app/text/restore", `{"version":`+version+`}`).want(201)
	r.call("restoreVersion", "/v1/history/app/text/restore", `{"version":`+version+`}`).want(200)

	r.call("listNamespaces", "/v1/namespaces", "").want(200)
	r.call("getNamespace", "/v1/namespaces/app", "").want(200)
	r.call("getNamespace", "/v1/namespaces/never-written", "").want(200)
	r.call("watchChanges", "/v1/watch/app?since=0", "").want(200)
	var token struct{ ID string }
	if err := json.Unmarshal([]byte(r.call("createToken", "/v1/tokens", requests["createToken"].body).want(201).body), &token); err != nil {
		r.t.Fatal(err)
	}
	path := "/v1/tokens/" + token.ID
	r.call("listTokens", "/v1/tokens", "").want(200)
	r.call("getToken", path, "").want(200)
	r.call("rotateToken", path+"/rotate", `{"overlap":"1h"}`).want(200)
	r.call("revokeToken", path, "").want(204)
	r.call("getOperation", requests["getOperation"].target, "").want(200)
	for _, id := range []string{"getOpenAPI", "getReference", "getErrorReference", "getReferenceScript"} {
		tag := r.call(id, requests[id].target, "").want(200).header.Get("ETag")
		r.call(id, requests[id].target, "", "Accept-Encoding", "gzip", "If-None-Match", tag).want(304)
	}
	for _, id := range []string{"getHealth", "getReadiness", "getMetrics"} {
		r.call(id, requests[id].target, "").want(200)
	}
}

// refusals are calls that are well-formed and cannot be done.
func refusals(r *rig) {
	r.t.Helper()
	for _, id := range []string{"getValue", "headValue", "deleteValue"} {
		r.call(id, "/v1/kv/app/absent", "").want(404)
		r.call(id, "/v1/kv/app/text", "", "If-Match", `"1"`).want(412)
	}
	r.call("getHistory", "/v1/history/app/text?version=1", "").want(404)
	r.call("restoreVersion", "/v1/history/app/text/restore", `{"version":1}`).want(404)
	for _, id := range []string{"getToken", "rotateToken", "revokeToken"} {
		r.call(id, requests[id].target, requests[id].body).want(404)
	}
	r.call("getOperation", "/v1/operations/"+kv.DeriveWriteID("nobody", "app", "never").String(), "").want(404)
	r.call("runTxn", "/v1/txn/app", `{"success":[{"op":"delete","key":"absent"}]}`).want(404)
	r.call("runTxn", "/v1/txn/app", `{"success":[{"op":"increment","key":"text","by":1}]}`).want(409)
	r.call("incrementValue", "/v1/kv/app/text/increment", `{"by":1}`).want(409)
	r.call("watchChanges", "/v1/watch/app?since=1000000000", "").want(410)
	tag := r.call("getValue", "/v1/kv/app/text", "").want(200).header.Get("ETag")
	version := strings.Trim(tag, `"`)
	r.call("getValue", "/v1/kv/app/text", "", "Range", "bytes=1000-").want(416)
	r.call("getHistory", "/v1/history/app/text?version="+version, "", "Range", "bytes=1000-").want(416)
	r.call("getHistory", "/v1/history/app/text?version="+version, "", "If-Match", `"1"`).want(412)
	for id, body := range map[string]string{
		"putValue": "v", "deleteValue": "", "incrementValue": `{"by":1}`, "restoreVersion": `{"version":` + version + `}`,
	} {
		target := strings.Replace(requests[id].target, "number", "n", 1)
		r.call(id, target, body, "If-Match", `"1"`).want(412)
		r.call(id, target, body, "If-None-Match", "*").want(412)
	}
	// One key for two requests.
	r.call("putValue", "/v1/kv/app/idempotent", "v", "Idempotency-Key", "once").want(201)
	for id, request := range requests {
		if r.contract.documents(id, http.StatusUnprocessableEntity) {
			r.call(id, request.target, request.body, "Idempotency-Key", "once").want(422)
		}
	}
}

// malformed sends every operation what it cannot take.
func malformed(r *rig) {
	r.t.Helper()
	for id, request := range requests {
		r.call(id, request.target+"?nonsense=1", request.body).want(400)
		r.call(id, request.target, request.body, "Host", "trivet.example").want(403)
		if r.contract.documents(id, http.StatusUnsupportedMediaType) {
			r.call(id, request.target, request.body, "Content-Encoding", "gzip").want(415)
		}
	}
}

// limits are those of a server that takes less than others.
func limits(r *rig) {
	r.t.Helper()
	for id, request := range requests {
		if r.contract.documents(id, http.StatusRequestEntityTooLarge) {
			r.call(id, request.target, strings.Repeat(" ", 201)).want(413)
		}
	}
}

// tokens is a server that wants one.
func tokens(r *rig) {
	r.t.Helper()
	for id, request := range requests {
		want := http.StatusOK
		if r.contract.documents(id, http.StatusUnauthorized) {
			want = http.StatusUnauthorized
		}
		r.call(id, request.target, request.body).want(want)
		if want == http.StatusUnauthorized {
			r.call(id, request.target, request.body, "Authorization", "Bearer wrong").want(want)
		}
	}
}

// as lets in one caller, who may do nothing.
func as(id string) func(*server.Options) {
	return func(o *server.Options) {
		o.Authenticate = func(*http.Request) (*auth.Principal, error) { return auth.NewPrincipal(id, nil, time.Time{}), nil }
	}
}

// caller is a server whose caller has no scope: it is refused what needs one.
func caller(r *rig) {
	r.t.Helper()
	for id, request := range requests {
		if !r.contract.documents(id, http.StatusUnauthorized) {
			continue
		}
		switch id {
		case "runBatch", "listNamespaces": // each operation by itself; none is seen
			r.call(id, request.target, request.body).want(200)
		case "getOperation":
			r.call(id, request.target, request.body).want(200)
		default:
			r.call(id, request.target, request.body).want(403)
		}
	}
}

// down is a server that cannot find out who is calling.
func down(r *rig) {
	r.t.Helper()
	for id, request := range requests {
		if r.contract.documents(id, http.StatusUnauthorized) {
			r.call(id, request.target, request.body).want(503)
		}
	}
}

// refused sends every call until the server has had too many, and then once
// more.
func refused(r *rig, status int) {
	r.t.Helper()
	for id, request := range requests {
		for tries := 0; r.contract.documents(id, status) && r.call(id, request.target, request.body).status != status; tries++ {
			if tries == 10 {
				r.t.Errorf("%s is never refused", id)
				break
			}
		}
	}
}

// busy is a server that has as many requests under way as it takes.
func busy(t *testing.T, c *contract, store kv.Store) {
	t.Helper()
	reading := &holding{Store: store, entered: make(chan struct{}), release: make(chan struct{})}
	r := start(t, c, reading, as("somebody"), func(o *server.Options) {
		o.Authenticate = func(r *http.Request) (*auth.Principal, error) {
			if r.Header.Get("Authorization") != "" {
				return auth.Anonymous(), nil
			}
			return auth.NewPrincipal("anonymous", nil, time.Time{}), nil
		}
		o.Limits = server.Limits{MaxInFlight: 1}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.call("getValue", "/v1/kv/app/held", "", "Authorization", "Bearer x")
	}()
	<-reading.entered
	for id, request := range requests {
		if id != "getReadiness" && id != "watchChanges" && r.contract.documents(id, http.StatusServiceUnavailable) {
			r.call(id, request.target, request.body).want(503)
		}
	}
	close(reading.release)
	<-done
}

// holding is a store that answers a GET when it is told to.
type holding struct {
	kv.Store
	entered, release chan struct{}
}

func (h *holding) Get(context.Context, string, string, kv.ReadOptions) (kv.Entry, error) {
	close(h.entered)
	<-h.release
	return kv.Entry{}, kv.ErrNotFound
}

// atOnce is a broker that delivers what is published before it confirms it.
type atOnce struct {
	broker.Broker
	store kv.Store
}

func (b atOnce) Publish(ctx context.Context, messages ...broker.Message) error {
	for _, m := range messages {
		write, err := deferred.Decode(m.Body)
		if err != nil {
			return err
		}
		// A refusal is recorded under the write's id.
		_, _ = b.store.Apply(ctx, write.Namespace, write.Operation, write.Identity)
	}
	return nil
}

func asynchronous(r *rig) {
	r.t.Helper()
	for id, request := range requests {
		if !r.contract.documents(id, http.StatusAccepted) {
			continue
		}
		for _, condition := range []string{"*", `"1"`} { // one is applied, one rejected
			location := r.call(id, request.target, request.body, "Prefer", "respond-async", "If-Match", condition).want(202).header.Get("Location")
			r.call("getOperation", location, "").want(200)
		}
	}
	for range 2 {
		r.call("putValue", "/v1/kv/app/async", "v", "Prefer", "respond-async", "Idempotency-Key", "async").want(202)
	}
}

// failures are those of a store, whatever it was asked.
func failures(t *testing.T, c *contract) {
	t.Helper()
	for code, status := range map[kv.Code]int{
		kv.CodeIdempotencyInProgress: 409,
		kv.CodeConflict:              409,
		kv.CodeRateLimited:           429,
		kv.CodeQuotaExceeded:         429,
		kv.CodeInternal:              500,
		kv.CodeUnavailable:           503,
		kv.CodeOverloaded:            503,
		kv.CodeTimeout:               504,
	} {
		r := start(t, c, failing{err: &kv.Error{Code: code, Detail: "as planned", RetryAfter: retryAfter(code)}},
			func(o *server.Options) { o.RequestTimeout = 20 * time.Millisecond })
		for id, request := range requests {
			response := c.operations[id].Responses.Status(status)
			if response == nil || id == "getReadiness" {
				continue
			}
			for _, documented := range problemCodes(t, response.Value) {
				if documented == string(code) {
					r.call(id, request.target, request.body).want(status)
				}
			}
		}
	}
}

// retryAfter is set where it makes sense: on what passes by itself.
func retryAfter(code kv.Code) time.Duration {
	switch code {
	case kv.CodeInternal, kv.CodeTimeout, kv.CodeConflict:
		return 0
	}
	return time.Second
}

// failing is a store that fails.
type failing struct {
	kv.Store
	err error
}

func (f failing) Get(context.Context, string, string, kv.ReadOptions) (kv.Entry, error) {
	return kv.Entry{}, f.err
}

func (f failing) List(context.Context, string, kv.ListQuery) (kv.ListPage, error) {
	return kv.ListPage{}, f.err
}

func (f failing) Apply(context.Context, string, kv.Operation, kv.Identity) (kv.Result, error) {
	return kv.Result{}, f.err
}

func (f failing) Batch(context.Context, string, []kv.Operation, kv.Identity) ([]kv.Result, error) {
	return nil, f.err
}

func (f failing) Txn(context.Context, string, kv.Txn, kv.Identity) (kv.TxnResult, error) {
	return kv.TxnResult{}, f.err
}

func (f failing) History(context.Context, string, string, kv.HistoryQuery) (kv.HistoryPage, error) {
	return kv.HistoryPage{}, f.err
}

func (f failing) Head(context.Context) (kv.Position, error) { return 0, f.err }

func (f failing) Record(context.Context, kv.WriteID) (kv.Record, error) {
	return kv.Record{}, f.err
}

func (f failing) Namespace(context.Context, string) (kv.Namespace, error) {
	return kv.Namespace{}, f.err
}

func (f failing) Namespaces(context.Context, string, int) (kv.NamespacePage, error) {
	return kv.NamespacePage{}, f.err
}

func (f failing) SetNamespace(context.Context, kv.Namespace) (kv.Namespace, error) {
	return kv.Namespace{}, f.err
}
