package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

// The OWASP API Security Top 10 of 2023, each risk as it would be in this API.
// The scope matrix, the tests of tokens and those of limits go deeper.

// API1: an object is somebody else's, whatever way its name is written.
func TestOWASP_API1_BrokenObjectLevelAuthorization(t *testing.T) {
	t.Parallel()
	r := secured(t)
	r.do(http.MethodPut, "/v1/kv/shop/user/1", as(rootToken), "secret").want(http.StatusCreated, "")
	made := r.newToken(auth.Scope{Namespace: "shop", Prefix: "cart/", Access: []auth.Access{auth.Read, auth.Write}})
	for _, target := range []string{
		"/v1/kv/shop/user/1", "/v1/kv/shop/cart/../user/1", "/v1/kv/shop/%75ser/1", "/v1/kv/shop//user/1", "/v1/kv/shop/user%2F1",
		"/v1/kv/shop/dXNlci8x?key_encoding=base64", "/v1/kv/shop/./user/1", "/v1/kv/shop/%63art", "/v1/kv/shop/Cart/1",
		"/v1/kv/shop?prefix=cart", "/v1/kv/shop?prefix=", "/v1/kv/shop?prefix=user/", "/v1/watch/shop?prefix=cart", "/v1/history/shop/user/1",
	} {
		a := r.do(http.MethodGet, target, as(made.Token), "")
		// Dots and doubled slashes are parts of a key, here of one below cart/.
		if strings.HasPrefix(target, "/v1/kv/shop/cart/") {
			a.want(http.StatusNotFound, "*")
			continue
		}
		if a.status != http.StatusForbidden || strings.Contains(string(a.body), "secret") {
			t.Errorf("%s: got %d %s", target, a.status, clip(a.body))
		}
	}
	// A cursor of another's page grants nothing.
	var page struct{ Cursor string }
	r.do(http.MethodPut, "/v1/kv/shop/user/2", as(rootToken), "secret").want(http.StatusCreated, "")
	r.do(http.MethodGet, "/v1/kv/shop?prefix=user/&limit=1", as(rootToken), "").want(http.StatusOK, "*").json(&page)
	if a := r.do(http.MethodGet, "/v1/kv/shop?prefix=cart/&cursor="+page.Cursor, as(made.Token), ""); page.Cursor == "" || a.status != http.StatusBadRequest {
		t.Errorf("with the cursor %q: %d %s", page.Cursor, a.status, clip(a.body))
	}
	// Reserved namespaces, where tokens are, are nobody's: not root's either.
	for _, ns := range []string{"_tokens", "%5ftokens", "_token-uses"} {
		for _, prefix := range []string{"/v1/kv/", "/v1/watch/", "/v1/namespaces/"} {
			r.do(http.MethodGet, prefix+ns, as(rootToken), "").want(http.StatusBadRequest, "*")
		}
		r.do(http.MethodPost, "/v1/batch/"+ns, as(rootToken), `{"operations":[{"op":"get","key":"x"}]}`).want(http.StatusBadRequest, "*")
		r.do(http.MethodPost, "/v1/txn/"+ns, as(rootToken), `{"success":[]}`).want(http.StatusBadRequest, "*")
	}
}

// API2: credentials. They cannot be guessed, tried out, or passed in a way that
// is kept by others.
func TestOWASP_API2_BrokenAuthentication(t *testing.T) {
	t.Parallel()
	r := secured(t)
	made := r.newToken(may("ns", auth.Read))
	good := made.Token
	flip := func(i int) string {
		b := []byte(good)
		b[i] = map[bool]byte{true: 'a', false: 'b'}[b[i] != 'a']
		return string(b)
	}
	// Whatever is wrong, the answer is the same to the letter.
	for name, given := range map[string]string{
		"unknown id": flip(5), "wrong secret": flip(25), "wrong check": flip(len(good) - 1), "cut short": good[:len(good)-1],
		"too long": good + "a", "id alone": "tvt_" + made.ID, "digest": "tvt_" + strings.Repeat("0", 64), "root and more": rootToken + "x",
		"a JWT that is not signed": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.", "another case": strings.ToUpper(good),
	} {
		a := r.do(http.MethodGet, "/v1/kv/ns/k", as(given), "")
		a.wantProblem(401, kv.CodeUnauthenticated, "", "the bearer token is unknown, expired or revoked")
		if a.header.Get("WWW-Authenticate") != `Bearer realm="trivet", error="invalid_token"` {
			t.Errorf("%s: the challenge is %q", name, a.header.Get("WWW-Authenticate"))
		}
	}
	for _, h := range []header{
		headers("Authorization", "Basic "+good), headers("Authorization", good), headers("Cookie", "token="+good), headers("X-Api-Key", good), headers("Authorization", "Bearer "+good, "Authorization", "Bearer "+good),
	} {
		r.do(http.MethodGet, "/v1/kv/ns/k", h, "").want(http.StatusUnauthorized, "*")
	}
	for _, parameter := range []string{"token", "access_token", "authorization"} {
		r.do(http.MethodGet, "/v1/kv/ns/k?"+parameter+"="+good, nil, "").want(http.StatusUnauthorized, "*")
	}
	// Guesses take none of what callers with tokens need: neither the places
	// for requests nor anybody's rate.
	busy := secured(t, limited(server.Limits{MaxInFlight: 1, CallerRate: 50}))
	theirs := busy.newToken(may("ns", auth.Read))
	for i := range 200 {
		busy.do(http.MethodGet, "/v1/kv/ns/k", as(fmt.Sprintf("tvt_%s_%038d", theirs.ID, i)), "").want(http.StatusUnauthorized, "*")
	}
	busy.do(http.MethodGet, "/v1/kv/ns/k", as(theirs.Token), "").want(http.StatusNotFound, "*")
}

// API3: properties that a client may not set, or see.
func TestOWASP_API3_BrokenObjectPropertyLevelAuthorization(t *testing.T) {
	t.Parallel()
	r := secured(t)
	for target, body := range map[string]string{
		"/v1/batch/ns":                `{"operations":[{"op":"put","key":"k","value":"","version":7}]}`,
		"/v1/txn/ns":                  `{"success":[{"op":"put","key":"k","value":"","created_at":"2020-01-01T00:00:00.000Z"}]}`,
		"/v1/kv/ns/k/increment":       `{"by":1,"version":7}`,
		"/v1/history/ns/k/restore":    `{"version":1,"ttl":"1h"}`,
		"/v1/tokens":                  `{"scopes":[{"namespace":"a","access":["read"]}],"created_at":"2020-01-01T00:00:00.000Z"}`,
		"/v1/tokens/000000000/rotate": `{"overlap":"1h","token":"mine"}`,
	} {
		a := r.do(http.MethodPost, target, as(rootToken), body)
		if target == "/v1/batch/ns" { // each operation by itself
			if a.status == http.StatusOK && strings.Contains(string(a.body), `"status":201`) {
				t.Errorf("%s was done: %s", body, a.body)
			}
			continue
		}
		a.want(http.StatusBadRequest, "*")
	}
	// Usage is the server's to say.
	r.do(http.MethodPut, "/v1/namespaces/ns", as(rootToken), `{"max_keys":10,"keys":1000,"bytes":1000}`).want(http.StatusOK, "*")
	var ns struct{ Keys, Bytes int }
	r.do(http.MethodGet, "/v1/namespaces/ns", as(rootToken), "").json(&ns)
	if ns.Keys != 0 || ns.Bytes != 0 {
		t.Errorf("a client has set the usage: %+v", ns)
	}
	// Metadata comes back under its own prefix, and never as a header of HTTP.
	h := as(rootToken)
	for name, value := range map[string]string{"Trivet-Meta-Set-Cookie": "a=b", "Trivet-Meta-Content-Type": "text/html", "Trivet-Meta-Location": "//evil", "Set-Cookie": "a=b", "Trivet-Position": "9"} {
		h[name] = []string{value}
	}
	h["Content-Type"] = []string{"text/html"}
	r.do(http.MethodPut, "/v1/kv/ns/page", h, "<script>alert(1)</script>").want(http.StatusCreated, "")
	r.do(http.MethodGet, "/v1/kv/ns/page", as(rootToken), "").want(http.StatusOK, "*").
		wantHeader("Set-Cookie", "", "Location", "", "Trivet-Meta-Set-Cookie", "a=b", "X-Content-Type-Options", "nosniff", "Content-Security-Policy", "sandbox")
}

// API4: what one request, and one caller, may cost.
func TestOWASP_API4_UnrestrictedResourceConsumption(t *testing.T) {
	t.Parallel()
	r := secured(t, func(o *server.Options) { o.MaxJSONBytes = 1 << 20 })
	var operations []string
	for range 1001 {
		operations = append(operations, `{"op":"get","key":"k"}`)
	}
	for name, a := range map[string]answer{
		"a page":        r.do(http.MethodGet, "/v1/kv/ns?limit=1001", as(rootToken), ""),
		"a key":         r.do(http.MethodGet, "/v1/kv/ns/"+strings.Repeat("k", 1025), as(rootToken), ""),
		"a batch":       r.do(http.MethodPost, "/v1/batch/ns", as(rootToken), `{"operations":[`+strings.Join(operations, ",")+`]}`),
		"a transaction": r.do(http.MethodPost, "/v1/txn/ns", as(rootToken), `{"success":[`+strings.Join(operations[:129], ",")+`]}`),
		"a nested body": r.do(http.MethodPost, "/v1/batch/ns", as(rootToken), strings.Repeat(`{"operations":[`, 10_000)),
		"a TTL":         r.do(http.MethodPut, "/v1/kv/ns/k", headers("Authorization", "Bearer "+rootToken, "Trivet-Ttl", "999999h"), "v"),
		"scopes":        r.do(http.MethodPost, "/v1/tokens", as(rootToken), `{"scopes":[`+strings.Repeat(`{"namespace":"a","access":["read"]},`, 64)+`{"namespace":"a","access":["read"]}]}`),
	} {
		if a.status != http.StatusBadRequest {
			t.Errorf("%s that is too large: got %d %s", name, a.status, clip(a.body))
		}
	}
	r.do(http.MethodPost, "/v1/batch/ns", as(rootToken), strings.Repeat(" ", 1<<20+1)).want(http.StatusRequestEntityTooLarge, "*")
	for _, encoding := range []string{"gzip", "br", "zstd"} { // nothing is decompressed
		r.do(http.MethodPut, "/v1/kv/ns/k", headers("Authorization", "Bearer "+rootToken, "Content-Encoding", encoding), "v").want(http.StatusUnsupportedMediaType, "*")
	}
}

// API5: functions for administrators, whatever the method is called.
func TestOWASP_API5_BrokenFunctionLevelAuthorization(t *testing.T) {
	t.Parallel()
	r := secured(t)
	user, local := r.newToken(may("*", auth.Read, auth.Write)), r.newToken(may("ns", auth.Admin))
	for _, made := range []token{user, local} {
		for _, call := range [][2]string{
			{"GET", "/v1/tokens"}, {"POST", "/v1/tokens"}, {"GET", "/v1/tokens/" + made.ID}, {"POST", "/v1/tokens/" + made.ID + "/rotate"},
			{"DELETE", "/v1/tokens/" + user.ID}, {"GET", "/metrics"}, {"PUT", "/v1/namespaces/other"},
		} {
			r.do(call[0], call[1], as(made.Token), "{}").want(http.StatusForbidden, "*")
		}
		// Neither by another case, a header that overrides the method, nor a
		// trailing slash.
		for _, h := range []string{"X-Http-Method-Override", "X-Method-Override", "X-Original-Url", "X-Rewrite-Url"} {
			a := r.do(http.MethodPost, "/v1/tokens", headers("Authorization", "Bearer "+made.Token, h, "GET"), "{}")
			a.want(http.StatusForbidden, "*")
		}
		for _, target := range []string{"/v1/Tokens", "/v1/tokens/", "/V1/tokens", "//v1/tokens", "/v1/./tokens", "/v1/kv/../tokens", "/debug/pprof/"} {
			if a := r.do(http.MethodGet, target, as(made.Token), ""); a.status != http.StatusNotFound && a.status != http.StatusForbidden && a.status != http.StatusMethodNotAllowed && a.status != http.StatusBadRequest {
				t.Errorf("%s: got %d %s", target, a.status, clip(a.body))
			}
		}
	}
	r.do(http.MethodPut, "/v1/namespaces/ns", as(local.Token), "{}").want(http.StatusOK, "*")
	r.do(http.MethodGet, "/v1/kv/ns/k", as(local.Token), "").want(http.StatusForbidden, "*")
}

// API6: flows that others could use against a caller: its idempotency keys and
// the ids of its operations.
func TestOWASP_API6_UnrestrictedAccessToSensitiveBusinessFlows(t *testing.T) {
	t.Parallel()
	_, with := withBroker(t)
	r := secured(t, with)
	one, two := r.newToken(may("ns", auth.Read, auth.Write)), r.newToken(may("ns", auth.Read, auth.Write))
	stranger := r.newToken(may("other", auth.Read, auth.Write))
	put := func(who token, path, body string) answer {
		return r.do(http.MethodPut, path, headers("Authorization", "Bearer "+who.Token, "Idempotency-Key", "order-1"), body)
	}
	put(one, "/v1/kv/ns/a", "of one").want(http.StatusCreated, "")
	put(one, "/v1/kv/ns/a", "of one").want(http.StatusCreated, "").wantHeader("Idempotency-Replayed", "true")
	// Another caller neither gets the answer nor spoils the key.
	put(two, "/v1/kv/ns/b", "of two").want(http.StatusCreated, "").wantHeader("Idempotency-Replayed", "")
	put(one, "/v1/kv/ns/b", "of one").want(http.StatusUnprocessableEntity, "*")
	put(stranger, "/v1/kv/ns/a", "of one").want(http.StatusForbidden, "*")
	// A rotated token is the same caller: its retries stay retries.
	var rotated token
	r.do(http.MethodPost, "/v1/tokens/"+one.ID+"/rotate", as(rootToken), "").want(http.StatusOK, "*").json(&rotated)
	put(rotated, "/v1/kv/ns/a", "of one").want(http.StatusCreated, "").wantHeader("Idempotency-Replayed", "true")

	accepted := r.do(http.MethodPut, "/v1/kv/ns/async", headers("Authorization", "Bearer "+two.Token, "Prefer", "respond-async", "Idempotency-Key", "order-2"), "v").want(http.StatusAccepted, "*")
	location := accepted.header.Get("Location")
	r.do(http.MethodGet, location, as(two.Token), "").want(http.StatusOK, "*")
	r.do(http.MethodGet, location, as(stranger.Token), "").want(http.StatusNotFound, "*")
	r.do(http.MethodGet, location, nil, "").want(http.StatusUnauthorized, "*")
}

// API7: the server asks nobody whom a request names. What it was given as an
// address is data.
func TestOWASP_API7_ServerSideRequestForgery(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 100)
	bait := start(t, func(o *server.Options) {
		o.Docs = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} })
	})
	r := secured(t)
	url := "http://" + bait.host + "/docs"
	for _, h := range []header{
		headers("Authorization", "Bearer "+rootToken, "Host", bait.host), headers("Authorization", "Bearer "+rootToken, "X-Forwarded-Host", bait.host, "Forwarded", "host="+bait.host),
		headers("Authorization", "Bearer "+rootToken, "Referer", url, "Origin", url), headers("Authorization", "Bearer "+rootToken, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Baggage", "url="+url),
		// A JWT whose issuer and key are wherever its maker wants.
		headers("Authorization", "Bearer eyJhbGciOiJSUzI1NiIsImprdSI6Imh0dHA6Ly8xMjcuMC4wLjEvIn0.eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xLyJ9.AAAA"),
	} {
		r.do(http.MethodPut, "/v1/kv/ns/k", h, url)
		r.do(http.MethodGet, "/v1/kv/ns/k", h, "")
	}
	// The absolute form is for proxies, which this is not.
	answer := r.raw("GET " + url + " HTTP/1.1\r\nHost: " + bait.host + "\r\nAuthorization: Bearer " + rootToken + "\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200 ") || len(reached) > 0 {
		t.Errorf("got %s, and %d requests came on", answer, len(reached))
	}
	answer = r.raw("CONNECT " + bait.host + " HTTP/1.1\r\nHost: " + bait.host + "\r\nAuthorization: Bearer " + rootToken + "\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 404 ") {
		t.Errorf("CONNECT: got %s", answer)
	}
}

// API8: what a server shows and allows that it should not.
func TestOWASP_API8_SecurityMisconfiguration(t *testing.T) {
	t.Parallel()
	_, quiet := withLog(slog.LevelError)
	r := secured(t, quiet, func(o *server.Options) {
		o.Store = &brokenStore{Store: o.Store, get: func() (kv.Entry, error) { return kv.Entry{}, io.ErrClosedPipe }}
	})
	for _, method := range []string{"TRACE", "OPTIONS", "CONNECT", "PATCH", "PROPFIND", "get"} {
		for _, target := range []string{"/v1/kv/ns/k", "/health", "/v1/tokens"} {
			a := r.do(method, target, as(rootToken), "")
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" || strings.Contains(string(a.body), rootToken) {
				t.Errorf("%s %s: got %d %s", method, target, a.status, clip(a.body))
			}
		}
	}
	if answer := r.raw("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 401 ") {
		t.Errorf("OPTIONS *: got %s", answer)
	}
	for _, target := range []string{"/v1/kv/ns/k", "/v1/kv/ns", "/v1/tokens", "/health", "/nowhere", "/v1/kv/_tokens/k"} {
		for _, h := range []header{as(rootToken), headers("Authorization", "Bearer wrong"), nil} {
			h = headersWith(h, "Origin", "https://evil.example", "Access-Control-Request-Method", "GET")
			a := r.do(http.MethodGet, target, h, "")
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control-") || name == "Server" || name == "X-Powered-By" || name == "Set-Cookie" {
					t.Errorf("%s has the header %s", target, name)
				}
			}
			if a.header.Get("X-Content-Type-Options") != "nosniff" && target != "/health" || a.header.Get("Cache-Control") == "" && target != "/health" {
				t.Errorf("%s: %v", target, a.header)
			}
			for _, internal := range []string{"goroutine", ".go:", "closed pipe", "pebble", "/root/", "panic"} {
				if strings.Contains(string(a.body), internal) {
					t.Errorf("%s shows internals: %s", target, a.body)
				}
			}
		}
	}
}

func headersWith(h header, pairs ...string) header {
	all := headers(pairs...)
	for name, values := range h {
		all[name] = values
	}
	return all
}

// API9: there is nothing besides the routes of the inventory, which the
// OpenAPI document is held against.
func TestOWASP_API9_ImproperInventoryManagement(t *testing.T) {
	t.Parallel()
	r := secured(t)
	known := map[string]bool{}
	for _, route := range server.Routes() {
		known[route.Method+" "+route.Path] = true
		if !strings.HasPrefix(route.Path, "/v1/") && strings.Contains(route.Path, "{") {
			t.Errorf("%s has no version", route.Path)
		}
	}
	for _, target := range []string{
		"/", "/v1", "/v1/", "/v2/kv/ns/k", "/v0/kv/ns/k", "/api/v1/kv/ns/k", "/kv/ns/k", "/admin", "/debug/pprof/", "/debug/vars", "/swagger.json", "/openapi.yaml",
		"/health/", "/healthz", "/metrics/", "/docs/", "/docs/../v1/tokens", "/.git/config", "/.env", "/favicon.ico", "/v1/tokens/x/y", "/v1/operations", "/v1/watch", "/v1/batch",
	} {
		if a := r.do(http.MethodGet, target, as(rootToken), ""); a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d %s", target, a.status, clip(a.body))
		}
		r.do(http.MethodGet, target, nil, "").want(http.StatusUnauthorized, "*") // and nobody is told which there are
	}
	// Every route answers, by itself: none is a leftover without a handler.
	for name := range known {
		method, path, _ := strings.Cut(name, " ")
		target := strings.NewReplacer("{ns}", "ns", "{key}", "k", "{id}", "000000000000").Replace(path)
		if a := r.first(method, target, as(rootToken), ""); a.status == http.StatusMethodNotAllowed || a.status >= 500 {
			t.Errorf("%s: got %d", name, a.status)
		}
	}
}

// API10: what comes from others, here from the identity provider, is bounded
// and never trusted. Its documents' size and time are tested in auth/oidc.
func TestOWASP_API10_UnsafeConsumptionOfAPIs(t *testing.T) {
	t.Parallel()
	logs, with := withLog(slog.LevelInfo)
	var fail error
	r := start(t, with, func(o *server.Options) {
		o.Authenticate = func(*http.Request) (*auth.Principal, error) {
			if fail != nil {
				return nil, fail
			}
			return auth.NewPrincipal("oidc:"+strings.Repeat("x\n\"", 50), readWrite, time.Now().Add(time.Hour)), nil
		}
	})
	fail = &kv.Error{Code: kv.CodeUnavailable, Detail: "the identity provider does not answer", RetryAfter: 5 * time.Second, Cause: fmt.Errorf("502: <html>internal name idp-7")}
	a := r.get("/v1/kv/ns/k")
	a.wantProblem(503, kv.CodeUnavailable, "", "the identity provider does not answer").wantHeader("Retry-After", "5")
	if strings.Contains(string(a.body), "idp-7") {
		t.Error("the answer shows what the provider said")
	}
	// A subject is whatever its issuer likes: it neither breaks the log's lines
	// nor anything else.
	fail = nil
	r.put("/v1/kv/ns/k", "v", "Idempotency-Key", "k").want(http.StatusCreated, "")
	for line := range strings.Lines(logs.text()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a broken line in the log: %s", line)
		}
	}
}
