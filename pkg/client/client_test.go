package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

// seen is what a server got of a request.
type seen struct {
	method, uri, body string
	header            http.Header
}

// serve starts a server with one answer and gives a client of it with what it
// got last.
func serve(t *testing.T, answer http.HandlerFunc) (*client.Client, *seen) {
	t.Helper()
	var got seen
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = seen{r.Method, r.RequestURI, string(body), r.Header}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.Options{URL: server.URL + "/", Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &got
}

func TestGetReadsEntryAndHeaders(t *testing.T) {
	t.Parallel()
	c, got := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"1718"`)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Trivet-Meta-Owner", "me")
		w.Header().Set("Trivet-Source", "cache")
		w.Header().Set("Trivet-Position", "42")
		w.Header().Set("Trivet-Expires-At", "2030-01-02T03:04:05.678Z")
		w.Header().Set("Last-Modified", "Tue, 02 Jan 2024 03:04:05 GMT")
		w.Header().Set("Age", "2")
		_, _ = io.WriteString(w, "three")
	})
	entry, err := c.Get(t.Context(), "shop", "fruit/äpple pie", kv.ReadOptions{
		Consistency: kv.Local, MaxAge: 5 * time.Second, MinVersion: 7,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := kv.Entry{
		Key: "fruit/äpple pie", Version: 1718, Value: []byte("three"), Size: 5, ContentType: "text/plain",
		Meta: map[string]string{"owner": "me"}, Source: kv.SourceCache, Position: 42, Age: 2 * time.Second,
		ExpiresAt: time.Date(2030, 1, 2, 3, 4, 5, 678e6, time.UTC),
		UpdatedAt: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	if !reflect.DeepEqual(entry, want) {
		t.Errorf("got  %+v\nwant %+v", entry, want)
	}
	if got.method != "GET" || got.uri != "/v1/kv/shop/fruit/%C3%A4pple%20pie" {
		t.Errorf("request: %s %s", got.method, got.uri)
	}
	for name, value := range map[string]string{
		"Cache-Control": "max-age=5", "Trivet-Min-Version": "7", "Authorization": "Bearer secret",
	} {
		if got.header.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), value)
		}
	}
}

func TestKeysTravelUnchanged(t *testing.T) {
	t.Parallel()
	c, got := serve(t, func(http.ResponseWriter, *http.Request) {})
	for key, uri := range map[string]string{
		"plain":         "/v1/kv/ns/plain",
		"a/b":           "/v1/kv/ns/a/b",
		"a?b#c%d&e=f+g": "/v1/kv/ns/a%3Fb%23c%25d%26e%3Df%2Bg",
		"\xff\n":        "/v1/kv/ns/%FF%0A",
		"..":            "/v1/kv/ns/Li4?key_encoding=base64",
		"a//b":          "/v1/kv/ns/YS8vYg?key_encoding=base64",
		"a/":            "/v1/kv/ns/YS8?key_encoding=base64",
		"\x00":          "/v1/kv/ns/AA?key_encoding=base64",
	} {
		if _, err := c.Get(t.Context(), "ns", key, kv.ReadOptions{}); err != nil {
			t.Fatal(err)
		}
		if got.uri != uri {
			t.Errorf("%q travelled as %s, want %s", key, got.uri, uri)
		}
	}
}

func TestWritesSayInHeadersWhatGuardsThem(t *testing.T) {
	t.Parallel()
	c, got := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"9"`)
		w.Header().Set("Idempotency-Replayed", "true")
		if strings.HasSuffix(r.URL.Path, "/increment") {
			_, _ = io.WriteString(w, `{"value":-3,"version":9}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	id := kv.NewWriteID(time.Now())
	for name, test := range map[string]struct {
		op     kv.Operation
		want   string // method, target and body
		header map[string]string
	}{
		"put": {
			kv.Operation{
				Kind: kv.KindPut, Key: "k", Value: []byte("v"), ContentType: "text/plain",
				Meta: map[string]string{"owner": "me"}, TTL: 90 * time.Second, If: kv.Condition{Absent: true},
			},
			"PUT /v1/kv/ns/k v",
			map[string]string{
				"If-None-Match": "*", "Content-Type": "text/plain", "Trivet-Meta-owner": "me",
				"Trivet-TTL": "1m30s", "Idempotency-Key": id.String(),
			},
		},
		"put nothing": {kv.Operation{Kind: kv.KindPut, Key: "k"}, "PUT /v1/kv/ns/k ", nil},
		"delete": {
			kv.Operation{Kind: kv.KindDelete, Key: "k", If: kv.Condition{Versions: []kv.Version{1, 2}}},
			"DELETE /v1/kv/ns/k ",
			map[string]string{"If-Match": `"1", "2"`},
		},
		"increment": {
			kv.Operation{Kind: kv.KindIncrement, Key: "k", By: -4, If: kv.Condition{Exists: true}},
			"POST /v1/kv/ns/k/increment {\"by\":-4}\n",
			map[string]string{"If-Match": "*", "Content-Type": "application/json"},
		},
		"restore": {
			kv.Operation{Kind: kv.KindRestore, Key: "a//b", Restore: 5},
			"POST /v1/history/ns/YS8vYg/restore?key_encoding=base64 {\"version\":5}\n",
			nil,
		},
	} {
		result, err := c.Apply(t.Context(), "ns", test.op, kv.Identity{ID: id})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if result.Version != 9 || !result.Replayed || result.Created != (test.op.Kind != kv.KindIncrement) {
			t.Errorf("%s: %+v", name, result)
		}
		if test.op.Kind == kv.KindIncrement && result.Number != -3 {
			t.Errorf("%s: %+v", name, result)
		}
		if sent := got.method + " " + got.uri + " " + got.body; sent != test.want {
			t.Errorf("%s: sent %q, want %q", name, sent, test.want)
		}
		for field, value := range test.header {
			if got.header.Get(field) != value {
				t.Errorf("%s: %s is %q, want %q", name, field, got.header.Get(field), value)
			}
		}
	}
}

func TestListsAsPages(t *testing.T) {
	t.Parallel()
	c, got := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"entries":[{"key":"/w==","key_encoding":"base64","version":3,"value":"dGhyZWU=","size":5,
			"created_at":"2024-01-02T03:04:05.678Z","updated_at":"2024-01-02T03:04:05.678Z","new_field":1}],
			"prefixes":["a/"],"cursor":"next","position":7}`)
	})
	page, err := c.List(t.Context(), "ns", kv.ListQuery{Prefix: "a b", Delimiter: "/", Limit: 10, Cursor: "c", Values: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Entries) != 1 || page.Entries[0].Key != "\xff" || string(page.Entries[0].Value) != "three" ||
		len(page.Prefixes) != 1 || page.Prefixes[0] != "a/" || page.Cursor != "next" || page.Position != 7 {
		t.Errorf("page: %+v", page)
	}
	if got.uri != "/v1/kv/ns?cursor=c&delimiter=%2F&limit=10&prefix=a+b&values=true" {
		t.Errorf("target: %s", got.uri)
	}
}

func TestARefusalIsAnErrorWithItsCode(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status     int
		header     map[string]string
		body       string
		code       kv.Code
		retryAfter time.Duration
		text       string
	}{
		"problem": {
			412, map[string]string{"Content-Type": "application/problem+json; charset=utf-8"},
			`{"status":412,"code":"already_exists","detail":"the key exists","field":"If-None-Match","request_id":"r1"}`,
			kv.CodeAlreadyExists, 0, "already_exists: the key exists",
		},
		"problem of the server": {
			503, map[string]string{"Content-Type": "application/problem+json", "Retry-After": "3"},
			`{"status":503,"code":"overloaded","detail":"too much","request_id":"r1"}`,
			kv.CodeOverloaded, 3 * time.Second, "overloaded: too much: request r1",
		},
		"proxy": {
			502, map[string]string{"Content-Type": "text/html"}, "<html>", kv.CodeUnavailable, 0,
			"unavailable: the answer was 502 Bad Gateway without a problem document",
		},
		"redirect": {
			302, map[string]string{"Location": "https://login.example/"}, "", kv.CodeInternal, 0,
			"internal: the answer was 302 Found without a problem document",
		},
		"malformed problem": {
			400, map[string]string{"Content-Type": "application/problem+json"}, "{", kv.CodeInternal, 0,
			"internal: the answer was 400 Bad Request without a problem document",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for field, value := range test.header {
					w.Header().Set(field, value)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			_, err := c.Get(t.Context(), "ns", "key", kv.ReadOptions{})
			e := kv.AsError(err)
			if e == nil || e.Code != test.code || e.RetryAfter != test.retryAfter || e.Error() != test.text {
				t.Errorf("got %v (%+v), want %s", err, e, test.text)
			}
		})
	}
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	c, err := client.New(client.Options{URL: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), "ns", "private-key", kv.ReadOptions{})
	if kv.CodeOf(err) != kv.CodeUnavailable || !strings.Contains(err.Error(), address) {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), "private-key") {
		t.Errorf("the error shows the key: %v", err)
	}
}

func TestADeadlineIsATimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c, _ := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, "ns", "key", kv.ReadOptions{}); kv.CodeOf(err) != kv.CodeTimeout {
		t.Errorf("got %v", err)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	connections := make(map[string]bool)
	calls := 0
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
		if calls++; calls%2 == 0 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":"not_found","detail":"the key does not exist"}`)
		}
	})
	for i := range 20 {
		if _, err := c.Get(t.Context(), "ns", "key", kv.ReadOptions{}); (err != nil) != (i%2 == 1) {
			t.Fatal(err)
		}
	}
	if len(connections) != 1 {
		t.Errorf("20 calls took %d connections", len(connections))
	}
}

func TestBadArgumentsAreRefusedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	c, got := serve(t, func(http.ResponseWriter, *http.Request) {})
	calls := map[string]error{}
	_, calls["namespace"] = c.Get(t.Context(), "Bad", "key", kv.ReadOptions{})
	_, calls["key"] = c.Get(t.Context(), "ns", "", kv.ReadOptions{})
	_, calls["value"] = c.Apply(t.Context(), "ns", kv.Operation{
		Kind: kv.KindPut, Key: "k", Value: make([]byte, kv.MaxValueBytes+1),
	}, kv.Identity{})
	_, calls["op"] = c.Apply(t.Context(), "ns", kv.Operation{Kind: kv.KindGet, Key: "k"}, kv.Identity{})
	_, calls["if"] = c.Apply(t.Context(), "ns", kv.Operation{
		Kind: kv.KindDelete, Key: "k", If: kv.Condition{Versions: []kv.Version{0}},
	}, kv.Identity{})
	for field, err := range calls {
		if e := kv.AsError(err); e == nil || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if got.uri != "" {
		t.Errorf("%s was sent", got.uri)
	}
	for _, options := range []client.Options{
		{URL: ""}, {URL: "localhost:8080"}, {URL: "ftp://host"}, {URL: "http://user:hunter2@host"},
		{URL: "http://host?x=1"}, {URL: "http://host", Token: "two words"},
	} {
		if _, err := client.New(options); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", options, err)
		}
	}
}

func TestWatchGivesChangesUntilTheStreamEnds(t *testing.T) {
	t.Parallel()
	c, got := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 1000\n: heartbeat\nid: 4\n\n"+
			"event: put\nid: 5\ndata: {\"key\":\"a\",\"version\":9,\"value\":\"dg==\",\"at\":\"2024-01-02T03:04:05.678Z\"}\n\n"+
			": heartbeat\nid: 6\n\n"+
			"event: expire\nid: 7\ndata: {\"key\":\"a\",\"version\":10,\"at\":\"2024-01-02T03:04:05.678Z\"}\n\n"+
			"event: error\ndata: {\"code\":\"position_expired\",\"detail\":\"too old\"}\n\n")
	})
	since := kv.Position(4)
	started := false
	var lines []string
	for change, err := range c.Watch(t.Context(), "ns", client.WatchOptions{
		Prefix: "a", Since: &since, Values: true, Started: func() { started = true },
	}) {
		if err != nil {
			lines = append(lines, err.Error())
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %d %s %d %s", change.Kind, change.Position, change.Key, change.Version, change.Value))
	}
	want := []string{"put 5 a 9 v", "expire 7 a 10 ", "position_expired: too old"}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
	if !started || got.uri != "/v1/watch/ns?prefix=a&since=4&values=true" {
		t.Errorf("started %v, target %s", started, got.uri)
	}
}

func TestAWatchThatIsCutOffGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	event := func(id int) string {
		return fmt.Sprintf("event: put\nid: %d\ndata: {\"key\":\"a\",\"version\":%d,\"at\":\"2024-01-02T03:04:05.678Z\"}\n\n", id, id)
	}
	answers := []string{
		event(5) + ": heartbeat\nid: 7\n\n" + "event: put\nid: 8\ndata: {\"key\"",
		"",
		event(9) + "event: error\ndata: {\"code\":\"unavailable\",\"detail\":\"the server is stopping\"}\n\n",
		event(10) + "event: error\ndata: {\"code\":\"forbidden\",\"detail\":\"no\"}\n\n",
	}
	var since []string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/watch/") {
			_, _ = io.WriteString(w, `{"entries":[],"prefixes":[],"position":3}`)
			return
		}
		since = append(since, r.URL.Query().Get("since"))
		_, _ = io.WriteString(w, answers[len(since)-1])
	})
	var positions []kv.Position
	var last error
	interrupted := 0
	for change, err := range c.Watch(t.Context(), "ns", client.WatchOptions{Interrupted: func(error) { interrupted++ }}) {
		if last = err; err == nil {
			positions = append(positions, change.Position)
		}
	}
	if want := []kv.Position{5, 9, 10}; !reflect.DeepEqual(positions, want) {
		t.Errorf("changes at %v, want %v", positions, want)
	}
	// What was cut off within an event is asked for again from before it.
	if want := []string{"3", "7", "7", "9"}; !reflect.DeepEqual(since, want) {
		t.Errorf("watched since %v, want %v", since, want)
	}
	if interrupted != 3 || kv.CodeOf(last) != kv.CodeForbidden {
		t.Errorf("%d interruptions, then %v", interrupted, last)
	}
}

func TestBreakingOffEndsAWatchOnWhichNothingHappens(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	since := kv.Position(4)
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "event: put\nid: 5\ndata: {\"key\":\"a\",\"version\":9,\"at\":\"2024-01-02T03:04:05.678Z\"}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	for _, err := range c.Watch(t.Context(), "ns", client.WatchOptions{Since: &since}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	<-gone

	ctx, cancel := context.WithCancel(t.Context())
	quiet, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for _, err := range quiet.Watch(ctx, "ns", client.WatchOptions{Since: &since, Started: cancel}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}
