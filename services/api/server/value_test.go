package server_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestAValueIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	r := start(t)
	put := r.put("/v1/kv/ns/a/key", "hello", "Content-Type", "text/plain; charset=utf-8",
		"Trivet-Meta-Mood", "blue", "Trivet-Meta-Team-Name", "core", "Trivet-TTL", "1h").want(http.StatusCreated, "")
	get := r.get("/v1/kv/ns/a/key").want(http.StatusOK, "hello")
	get.wantHeader(
		"ETag", put.header.Get("ETag"),
		"Content-Type", "text/plain; charset=utf-8",
		"Content-Length", "5",
		"Trivet-Meta-Mood", "blue",
		"Trivet-Meta-Team-Name", "core",
		"Trivet-Expires-At", put.header.Get("Trivet-Expires-At"),
		"Accept-Ranges", "bytes",
		"Age", "0",
		"Cache-Control", "no-cache",
		"X-Content-Type-Options", "nosniff",
		"Content-Security-Policy", "sandbox",
	)
	for _, name := range []string{"Last-Modified", "Trivet-Position", "Trivet-Source", "X-Request-Id", "Trivet-Expires-At"} {
		if get.header.Get(name) == "" {
			t.Errorf("%s is missing", name)
		}
	}
	r.put("/v1/kv/ns/a/key", "again").want(http.StatusOK, "")
	r.get("/v1/kv/ns/a/key").want(http.StatusOK, "again").
		wantHeader("Content-Type", "application/octet-stream", "Trivet-Meta-Mood", "", "Trivet-Expires-At", "")
}

func TestHeadAnswersAsGetWithoutABody(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/k", strings.Repeat("x", 5000), "Trivet-Meta-A", "1")
	for _, path := range []string{"/v1/kv/ns/k", "/v1/kv/ns/absent", "/v1/kv/NS/k", "/v1/kv/ns/k?what=ever"} {
		id := "X-Request-Id"
		get, head := r.get(path, id, "one", "Cache-Control", "no-cache"), r.do(http.MethodHead, path, headers(id, "one", "Cache-Control", "no-cache"), "")
		head.want(get.status, "")
		get.header.Del("Date")
		head.header.Del("Date")
		if a, b := marshal(t, get.header), marshal(t, head.header); a != b {
			t.Errorf("%s: GET answers %s\nHEAD answers %s", path, a, b)
		}
	}
}
