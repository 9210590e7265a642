package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

// logbook keeps the lines of a log.
type logbook struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data.Write(p)
}

func (l *logbook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data.String()
}

// line gives the line of a request, once it is there.
func (l *logbook) line(t *testing.T, id string) map[string]any {
	t.Helper()
	var fields map[string]any
	eventually(t, func() bool {
		for line := range strings.Lines(l.text()) {
			if strings.Contains(line, `"request_id":"`+id+`"`) {
				if err := json.Unmarshal([]byte(line), &fields); err != nil {
					t.Fatal(err)
				}
				return true
			}
		}
		return false
	})
	return fields
}

func withLog(level slog.Level) (*logbook, func(*server.Options)) {
	l := &logbook{}
	return l, func(o *server.Options) {
		o.Logger = slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level}))
	}
}

// brokenStore fails and panics as it is told.
type brokenStore struct {
	kv.Store
	get func() (kv.Entry, error)
}

func (s *brokenStore) Get(context.Context, string, string, kv.ReadOptions) (kv.Entry, error) {
	return s.get()
}

func withGet(get func() (kv.Entry, error)) func(*server.Options) {
	return func(o *server.Options) { o.Store = &brokenStore{Store: o.Store, get: get} }
}

func TestRequestsHaveIDs(t *testing.T) {
	t.Parallel()
	r := start(t)
	seen := map[string]bool{}
	for range 10 {
		seen[r.get("/health").header.Get("X-Request-Id")] = true
	}
	for _, unusable := range []string{"", "with space", "é", "a/b", `"quoted"`, strings.Repeat("x", 65)} {
		id := r.get("/health", "X-Request-Id", unusable).header.Get("X-Request-Id")
		if id == unusable || id == "" {
			t.Errorf("%q was answered with %q", unusable, id)
		}
		seen[id] = true
	}
	seen[r.get("/health", "X-Request-Id", "a", "X-Request-Id", "b").header.Get("X-Request-Id")] = true
	if len(seen) != 17 || seen["a"] {
		t.Errorf("got the ids %v", seen)
	}
	for _, usable := range []string{"a", "A-b_c.9", strings.Repeat("x", 64)} {
		r.get("/unknown", "X-Request-Id", usable).wantHeader("X-Request-Id", usable).
			wantProblem(404, kv.CodeNotFound, "", "there is no such path in this API")
	}
}

func TestAnInternalErrorShowsInTheLogAlone(t *testing.T) {
	t.Parallel()
	logs, with := withLog(slog.LevelInfo)
	r := start(t, with, withGet(func() (kv.Entry, error) { return kv.Entry{}, errors.New("the disk is on fire") }))
	r.get("/v1/kv/ns/secret-key", "X-Request-Id", "one").wantProblem(500, kv.CodeInternal, "", "an internal error occurred")
	line := logs.line(t, "one")
	if line["level"] != "ERROR" || !strings.Contains(fmt.Sprint(line["error"]), "the disk is on fire") || line["route"] != "/v1/kv/{ns}/{key}" {
		t.Errorf("the log has %v", line)
	}
	if strings.Contains(logs.text(), "secret-key") {
		t.Error("the log has a key above the debug level")
	}
}

func TestAPanicIsAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	logs, with := withLog(slog.LevelInfo)
	r := start(t, with, withGet(func() (kv.Entry, error) { panic("a bug") }))
	r.get("/v1/kv/ns/k", "X-Request-Id", "one").wantProblem(500, kv.CodeInternal, "", "an internal error occurred").wantHeader("X-Request-Id", "one")
	line := logs.line(t, "one")
	if line["panic"] != "a bug" || !strings.Contains(fmt.Sprint(line["stack"]), "getValue") {
		t.Errorf("the log has %v", line)
	}
	r.put("/v1/kv/ns/k", "v").want(http.StatusCreated, "")
	if n := r.metric("trivet_http_requests_in_flight"); n != 0 {
		t.Errorf("%v requests are under way", n)
	}
	if n := r.metric("trivet_http_requests_total", "500"); n != 1 {
		t.Errorf("%v requests were counted", n)
	}
}

func TestAPanicInTheMiddleOfAnAnswerCutsTheConnection(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) {
		o.Docs = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 10_000))
			panic("a bug")
		})
	})
	conn := r.dial()
	fmt.Fprintf(conn, "GET /docs HTTP/1.1\r\nHost: %s\r\n\r\n", r.host)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return // nothing arrived, which nobody takes for an answer either
	}
	defer func() { _ = response.Body.Close() }()
	var sink bytes.Buffer
	if _, err := sink.ReadFrom(response.Body); err == nil {
		t.Error("half an answer looks like a whole one")
	}
}

func TestASlowRequestIsAWarning(t *testing.T) {
	t.Parallel()
	logs, with := withLog(slog.LevelInfo)
	r := start(t, with, func(o *server.Options) { o.SlowRequest = time.Nanosecond })
	r.put("/v1/kv/ns/k", "v", "X-Request-Id", "one")
	if line := logs.line(t, "one"); line["level"] != "WARN" || line["status"] != 201.0 {
		t.Errorf("the log has %v", line)
	}
}

func TestRequestsAreLoggedForDebugging(t *testing.T) {
	t.Parallel()
	logs, with := withLog(slog.LevelDebug)
	r := start(t, with, func(o *server.Options) {
		o.Authenticate = func(*http.Request) (*auth.Principal, error) {
			return auth.NewPrincipal("alice", readWrite, time.Time{}), nil
		}
	})
	r.put("/v1/kv/ns/k%20", "the-value", "X-Request-Id", "one", "Authorization", "the-token")
	line := logs.line(t, "one")
	if line["level"] != "DEBUG" || line["path"] != "/v1/kv/ns/k%20" || line["caller"] != "alice" || line["method"] != "PUT" {
		t.Errorf("the log has %v", line)
	}
	if strings.Contains(logs.text(), "the-value") || strings.Contains(logs.text(), "the-token") {
		t.Error("the log has a value or a secret")
	}
}

func TestAClientThatGoesAwayIsNoError(t *testing.T) {
	t.Parallel()
	logs, with := withLog(slog.LevelInfo)
	var store *blockingStore
	r := start(t, with, func(o *server.Options) {
		store = newBlockingStore(o.Store)
		o.Store = store
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-store.entered
		cancel()
	}()
	if response, err := r.client.Do(r.request(http.MethodPut, "/v1/kv/ns/k", nil, strings.NewReader("v")).WithContext(ctx)); err == nil {
		_ = response.Body.Close()
		t.Error("it was answered")
	}
	eventually(t, func() bool { return r.metric("trivet_http_requests_total", "499") == 1 })
	if logs.text() != "" {
		t.Errorf("the log has %s", logs.text())
	}
}

func TestMetricsHaveBoundedLabels(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/k", "value")
	r.get("/v1/kv/ns/k")
	r.get("/v1/kv/other/absent")
	r.post("/v1/kv/ns/n/increment", `{"by":1}`)
	r.get("/made/up")
	r.do("BREW", "/coffee", nil, "")
	r.do("BREW", "/health", nil, "")
	r.do(http.MethodPatch, "/v1/kv/ns/k", nil, "")
	want := `# HELP trivet_http_requests_total Requests answered, by route, method and status; 499 is a client that went away.
# TYPE trivet_http_requests_total counter
trivet_http_requests_total{code="200",method="GET",route="/v1/kv/{ns}/{key}"} 1
trivet_http_requests_total{code="200",method="POST",route="/v1/kv/{ns}/{key}/increment"} 1
trivet_http_requests_total{code="201",method="PUT",route="/v1/kv/{ns}/{key}"} 1
trivet_http_requests_total{code="404",method="GET",route="/v1/kv/{ns}/{key}"} 1
trivet_http_requests_total{code="404",method="GET",route="unknown"} 1
trivet_http_requests_total{code="404",method="other",route="unknown"} 1
trivet_http_requests_total{code="405",method="PATCH",route="unknown"} 1
trivet_http_requests_total{code="405",method="other",route="unknown"} 1
`
	eventually(t, func() bool { return r.metric("trivet_http_requests_in_flight") == 0 })
	if err := testutil.GatherAndCompare(r.registry, strings.NewReader(want), "trivet_http_requests_total"); err != nil {
		t.Error(err)
	}
	if n := r.metric("trivet_http_response_bytes_total", "/v1/kv/{ns}/{key}/increment"); n < 10 {
		t.Errorf("%v bytes were counted", n)
	}
	if n := r.metric("trivet_http_request_duration_seconds", "PUT", "/v1/kv/{ns}/{key}"); n != 1 {
		t.Errorf("%v durations were counted", n)
	}
}
