package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
	"github.com/trivetkv/trivet/services/api/server"
)

// optionsStore notes what reads ask for.
type optionsStore struct {
	kv.Store
	got kv.ReadOptions
}

func (s *optionsStore) Get(ctx context.Context, ns, key string, opts kv.ReadOptions) (kv.Entry, error) {
	s.got = opts
	return s.Store.Get(ctx, ns, key, opts)
}

func TestTheRequestChoosesItsConsistency(t *testing.T) {
	t.Parallel()
	var store *optionsStore
	r := start(t, func(o *server.Options) {
		store = &optionsStore{Store: o.Store}
		o.Store = store
	})
	r.put("/v1/kv/ns/k", "v")
	const second = 1_000_000_000
	for _, c := range []struct {
		headers []string
		want    kv.ReadOptions
	}{
		{nil, kv.ReadOptions{}},
		{[]string{"Cache-Control", ""}, kv.ReadOptions{}},
		{[]string{"Cache-Control", "no-cache"}, kv.ReadOptions{Consistency: kv.Strong}},
		{[]string{"Cache-Control", "NO-CACHE"}, kv.ReadOptions{Consistency: kv.Strong}},
		{[]string{"Cache-Control", "max-age=0"}, kv.ReadOptions{Consistency: kv.Strong}},
		{[]string{"Cache-Control", "max-age=5"}, kv.ReadOptions{Consistency: kv.Local, MaxAge: 5 * second}},
		{[]string{"Cache-Control", `Max-Age="5"`}, kv.ReadOptions{Consistency: kv.Local, MaxAge: 5 * second}},
		{[]string{"Cache-Control", "max-age=99999999999999999999"}, kv.ReadOptions{Consistency: kv.Local, MaxAge: 1 << 31 * second}},
		{[]string{"Cache-Control", "no-store, max-stale=3 ,max-age=7, x=\"a,no-cache\""}, kv.ReadOptions{Consistency: kv.Local, MaxAge: 7 * second}},
		{[]string{"Cache-Control", "max-age=7, max-age=3"}, kv.ReadOptions{Consistency: kv.Local, MaxAge: 3 * second}},
		{[]string{"Cache-Control", "max-age=7", "Cache-Control", "no-cache"}, kv.ReadOptions{Consistency: kv.Strong}},
		{[]string{"Cache-Control", "no-cache, max-age=7"}, kv.ReadOptions{Consistency: kv.Strong}},
		{[]string{"Trivet-Min-Version", "12"}, kv.ReadOptions{MinVersion: 12}},
	} {
		r.get("/v1/kv/ns/k", c.headers...).want(http.StatusOK, "v")
		if store.got != c.want {
			t.Errorf("%q: the store is asked for %+v, want %+v", c.headers, store.got, c.want)
		}
	}
}

func TestAWriterReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	r := start(t)
	for i := range 50 {
		value := fmt.Sprint(i)
		version := r.put("/v1/kv/ns/k", value).version()
		r.get("/v1/kv/ns/k", "Trivet-Min-Version", version, "Cache-Control", "max-age=60").want(http.StatusOK, value)
		r.get("/v1/kv/ns/k").want(http.StatusOK, value)
		r.get("/v1/kv/ns/k", "Cache-Control", "no-cache").want(http.StatusOK, value).wantHeader("Trivet-Source", "database", "Age", "0")
	}
	version := r.delete("/v1/kv/ns/k").version()
	r.get("/v1/kv/ns/k", "Trivet-Min-Version", version).want(http.StatusNotFound, "*")
}

func TestARepeatedReadIsAnsweredByTheCache(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/k", "v")
	r.get("/v1/kv/ns/k")
	r.get("/v1/kv/ns/k").want(http.StatusOK, "v").wantHeader("Trivet-Source", "cache")
}

func TestAnAnswerWithoutAValueTellsItsPositionToo(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/other", "v")
	if r.get("/v1/kv/ns/absent").want(http.StatusNotFound, "*").header.Get("Trivet-Position") == "" {
		t.Error("a watch from here would not know where to start")
	}
}

func TestAListIsReadInPages(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, key := range []string{"a", "dir/1", "dir/2", "dir/sub/3", "e", "%ff%2f1"} {
		r.put("/v1/kv/ns/"+key, "value of "+key)
	}
	collect := func(query string) (keys, prefixes []string) {
		cursor := ""
		for range 20 {
			target := "/v1/kv/ns?" + query
			if cursor != "" {
				target += "&cursor=" + cursor
			}
			var shape wire.List
			a := r.get(target).want(http.StatusOK, "*").wantHeader("Content-Type", "application/json")
			a.json(&shape)
			page, err := shape.KV()
			if err != nil || page.Position == 0 {
				t.Fatalf("got %s, %v", a.body, err)
			}
			for _, e := range page.Entries {
				keys = append(keys, e.Key+"="+string(e.Value))
			}
			prefixes = append(prefixes, page.Prefixes...)
			if cursor = page.Cursor; cursor == "" {
				return keys, prefixes
			}
		}
		t.Fatalf("%s never ends", query)
		return nil, nil
	}
	for query, want := range map[string]string{
		"":                                  `["a=" "dir/1=" "dir/2=" "dir/sub/3=" "e=" "\xff/1="] []`,
		"limit=1":                           `["a=" "dir/1=" "dir/2=" "dir/sub/3=" "e=" "\xff/1="] []`,
		"delimiter=/&limit=1":               `["a=" "e="] ["dir/" "\xff/"]`,
		"prefix=dir%2f&delimiter=/&limit=2": `["dir/1=" "dir/2="] ["dir/sub/"]`,
		"prefix=%ff&values=true":            `["\xff/1=value of %ff%2f1"] []`,
		"prefix=a&values=true":              `["a=value of a"] []`,
		"prefix=none":                       `[] []`,
	} {
		keys, prefixes := collect(query)
		if got := fmt.Sprintf("%q %q", keys, prefixes); got != want {
			t.Errorf("%s: got %s\nwant %s", query, got, want)
		}
	}
	r.get("/v1/kv/empty").want(http.StatusOK, "*")
}

func TestTheHistoryOfAKeyIsReadAndRestored(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := r.put("/v1/kv/ns/a/b", "one", "Content-Type", "text/plain", "Trivet-TTL", "1h", "Trivet-Meta-A", "1").version()
	second := r.put("/v1/kv/ns/a/b", "two").version()
	third := r.delete("/v1/kv/ns/a/b").version()
	var all []string
	target := "/v1/history/ns/a%2Fb?limit=2"
	for target != "" {
		var shape wire.History
		r.get(target).want(http.StatusOK, "*").json(&shape)
		for _, v := range shape.Versions {
			all = append(all, fmt.Sprintf("%d %s %d %s", v.Version, v.Op, v.Size, v.ContentType))
		}
		target = ""
		if shape.Cursor != "" {
			target = "/v1/history/ns/a%2Fb?limit=2&cursor=" + shape.Cursor
		}
	}
	want := []string{third + " delete 0 ", second + " put 3 ", first + " put 3 text/plain"}
	if fmt.Sprint(all) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", all, want)
	}
	old := r.get("/v1/history/ns/a/b?version="+first).want(http.StatusOK, "one")
	old.wantHeader("ETag", `"`+first+`"`, "Content-Type", "text/plain", "Trivet-Meta-A", "1", "Content-Security-Policy", "sandbox")
	r.get("/v1/history/ns/a/b?version="+first, "Range", "bytes=0-0").want(http.StatusPartialContent, "o")
	r.get("/v1/history/ns/a/b?version="+first, "If-None-Match", `"`+first+`"`).want(http.StatusNotModified, "")
	r.get("/v1/history/ns/a/b?version="+third).want(http.StatusNotFound, "*")
	restored := r.post("/v1/history/ns/a/b/restore", `{"version":`+first+`}`).want(http.StatusCreated, "")
	r.get("/v1/kv/ns/a/b").want(http.StatusOK, "one").
		wantHeader("ETag", restored.header.Get("ETag"), "Content-Type", "text/plain", "Trivet-Meta-A", "1", "Trivet-Expires-At", "")
	r.get("/v1/history/ns/never").want(http.StatusOK, "{\"versions\":[]}\n")
}

func TestNamespacesHaveSettings(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.get("/v1/namespaces").want(http.StatusOK, "{\"namespaces\":[]}\n")
	r.get("/v1/namespaces/new").want(http.StatusOK, "{\"name\":\"new\",\"retention\":\"168h\",\"keys\":0,\"bytes\":0}\n")
	set := r.do(http.MethodPut, "/v1/namespaces/small", nil, `{"retention":"1h","max_keys":1}`)
	set.want(http.StatusOK, "{\"name\":\"small\",\"retention\":\"1h\",\"max_keys\":1,\"keys\":0,\"bytes\":0}\n")
	r.put("/v1/kv/small/a", "v").want(http.StatusCreated, "")
	if a := r.put("/v1/kv/small/b", "v"); a.status != http.StatusTooManyRequests {
		t.Errorf("above the quota: %d %s", a.status, a.body)
	}
	usage := r.get("/v1/namespaces/small").want(http.StatusOK, "*")
	r.do(http.MethodPut, "/v1/namespaces/small", nil, strings.Replace(string(usage.body), `"max_keys":1`, `"max_keys":2`, 1)).want(http.StatusOK, "*")
	r.put("/v1/kv/small/b", "v").want(http.StatusCreated, "")
	r.put("/v1/kv/large/a", "v")
	var names []string
	for target := "/v1/namespaces?limit=1"; target != ""; {
		var shape wire.Namespaces
		r.get(target).want(http.StatusOK, "*").json(&shape)
		for _, n := range shape.Namespaces {
			names = append(names, n.Name)
		}
		target = ""
		if shape.Cursor != "" {
			target = "/v1/namespaces?limit=1&cursor=" + shape.Cursor
		}
	}
	if !sort.StringsAreSorted(names) || fmt.Sprint(names) != "[large small]" {
		t.Errorf("got the namespaces %v", names)
	}
}

func TestAWatchFromAReadsPositionMissesNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/app/old", "v")
	position := r.get("/v1/kv/ns/app/absent").header.Get("Trivet-Position")
	r.put("/v1/kv/ns/app/k", "v1")
	events := r.watch("/v1/watch/ns?prefix=app/&since=" + position)
	wantEvent := func(kind, data string) {
		t.Helper()
		got := <-events
		if got.kind != kind || !strings.HasPrefix(got.data, data) {
			t.Fatalf("got %+v, want %s %s", got, kind, data)
		}
	}
	wantEvent("put", `{"key":"app/k",`)
	r.put("/v1/kv/ns/other", "v")
	r.delete("/v1/kv/ns/app/k")
	wantEvent("delete", `{"key":"app/k",`)

	// What a browser sends again is its first URL, and the last id that it saw.
	last := r.get("/v1/kv/ns/app/k").header.Get("Trivet-Position")
	again := r.watch("/v1/watch/ns?values=false&since=0", "Last-Event-ID", last)
	r.put("/v1/kv/ns/z", "v")
	got := <-again
	if got.kind != "put" || !strings.HasPrefix(got.data, `{"key":"z",`) || strings.Contains(got.data, `"value"`) {
		t.Errorf("got %+v", got)
	}
	r.get("/v1/watch/ns?since=99999999").wantProblem(410, kv.CodePositionExpired, "",
		"the position is not one of this log; list the keys and watch from that list's position")
}

type event struct{ kind, data string }

// watch opens a stream and gives its events until the test ends.
func (r *rig) watch(target string, pairs ...string) <-chan event {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	r.t.Cleanup(cancel)
	response, err := r.client.Do(r.request(http.MethodGet, target, headers(pairs...), nil).WithContext(ctx))
	if err != nil {
		r.t.Fatal(err)
	}
	if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != "text/event-stream" {
		r.t.Fatalf("got %d of type %s", response.StatusCode, got)
	}
	events := make(chan event, 100)
	go func() {
		defer close(events)
		defer func() { _ = response.Body.Close() }()
		var e event
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "event":
				e.kind = value
			case "data":
				e.data = value
				events <- e
			}
		}
	}()
	return events
}
