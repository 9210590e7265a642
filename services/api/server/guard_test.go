package server_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

func TestWithoutAuthenticationForeignHostsAndOriginsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	for host, ok := range map[string]bool{
		"localhost": true, "localhost:1": true, "LOCALHOST.": true, "a.localhost:80": true, "127.0.0.1": true, "127.3.2.1:8080": true,
		"[::1]": true, "[::1]:8080": true, "[::ffff:127.0.0.1]:80": true,
		"example.com": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "10.0.0.1": false, "192.168.1.1:8080": false,
		"0.0.0.0": false, "notlocalhost": false, "[2001:db8::1]:80": false, "[fe80::1%25lo]": false,
	} {
		for _, path := range []string{"/v1/namespaces", "/ready", "/unknown"} {
			a := r.get(path, "Host", host)
			if ok == (a.status == http.StatusForbidden) {
				t.Errorf("%s with the host %s: got %d %s", path, host, a.status, a.body)
			}
			if !ok {
				a.wantProblem(403, kv.CodeForbidden, "Host", "without authentication this server answers to loopback names and addresses only")
			}
		}
	}
	for origin, ok := range map[string]bool{
		"http://localhost:3000": true, "https://127.0.0.1": true, "http://[::1]:8080": true,
		"http://example.com": false, "null": false, "": false, "http://localhost.example.com": false, "file://": false, "http://%zz": false,
	} {
		a := r.put("/v1/kv/ns/k", "v", "Origin", origin)
		if ok == (a.status == http.StatusForbidden) {
			t.Errorf("the origin %s: got %d %s", origin, a.status, a.body)
		}
		if !ok {
			a.wantProblem(403, kv.CodeForbidden, "Origin", "without authentication this server takes no requests from pages of other sites")
		}
	}
}

func TestARootTokenLetsIn(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef"
	r := start(t, func(o *server.Options) {
		o.Authenticate = bearer(auth.New(auth.Options{RootToken: token}))
		o.Metrics = http.NotFoundHandler()
	})
	r.put("/v1/kv/ns/k", "v", "Authorization", "Bearer "+token, "Host", "db.example.com", "Origin", "http://example.com").want(http.StatusCreated, "")
	r.get("/v1/kv/ns/k", "Authorization", "bearer "+token).want(http.StatusOK, "v")
	needed := "a bearer token is needed: Authorization: Bearer tvt_…"
	malformed := "the Authorization header has to be: Bearer, one space, a token"
	unknown := "the bearer token is unknown, expired or revoked"
	r.get("/v1/kv/ns/k").wantProblem(401, kv.CodeUnauthenticated, "", needed).wantHeader("WWW-Authenticate", `Bearer realm="trivet"`)
	r.get("/unknown").wantProblem(401, kv.CodeUnauthenticated, "", needed)
	for given, detail := range map[string]string{
		"Bearer " + token + "x":   unknown,
		"Bearer " + token[1:]:     unknown,
		"Bearer  " + token:        unknown,
		"Bearer ":                 malformed, // net/http trims the space
		"Basic dXNlcjpwYXNz":      malformed,
		token:                     malformed,
		"Bearer " + token + ", x": unknown,
	} {
		r.get("/v1/kv/ns/k", "Authorization", given).wantProblem(401, kv.CodeUnauthenticated, "", detail).
			wantHeader("WWW-Authenticate", `Bearer realm="trivet", error="invalid_token"`)
	}
	r.get("/v1/kv/ns/k", "Authorization", "Bearer "+token, "Authorization", "Bearer "+token).want(http.StatusUnauthorized, "*")
	r.get("/health", "Host", "db.example.com").want(http.StatusOK, "*")
	r.get("/ready", "Host", "db.example.com").want(http.StatusOK, "*")
	r.get("/metrics").want(http.StatusUnauthorized, "*")
	r.get("/metrics", "Authorization", "Bearer "+token).want(http.StatusNotFound, "404 page not found\n")
}

func TestAnEmptyRootTokenLetsNobodyIn(t *testing.T) {
	t.Parallel()
	authenticate := bearer(auth.New(auth.Options{}))
	for _, given := range []string{"", "Bearer ", "Bearer x"} {
		if _, err := authenticate(&http.Request{Header: http.Header{"Authorization": {given}}}); kv.CodeOf(err) != kv.CodeUnauthenticated {
			t.Errorf("%q: got %v", given, err)
		}
	}
}

// readWrite are scopes of callers who are not administrators.
var readWrite = []auth.Scope{{Namespace: "*", Access: []auth.Access{auth.Read, auth.Write}}}

// bearer authenticates the requests of a server.
func bearer(a *auth.Authenticator) func(*http.Request) (*auth.Principal, error) {
	return func(r *http.Request) (*auth.Principal, error) { return a.Authenticate(r.Context(), r.Header) }
}

func TestCallersDoNotShareIdempotencyKeys(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) {
		o.Metrics = http.NotFoundHandler()
		o.Authenticate = func(r *http.Request) (*auth.Principal, error) {
			name := r.Header.Get("Authorization")
			if name == "" {
				return nil, kv.Errorf(kv.CodeUnauthenticated, "who are you?")
			}
			if name == "down" {
				return nil, errors.New("the issuer does not answer")
			}
			return auth.NewPrincipal(name, readWrite, time.Time{}), nil
		}
	})
	r.put("/v1/kv/ns/a", "1", "Idempotency-Key", "k", "Authorization", "alice").want(http.StatusCreated, "")
	r.put("/v1/kv/ns/b", "1", "Idempotency-Key", "k", "Authorization", "bob").want(http.StatusCreated, "")
	r.put("/v1/kv/ns/b", "1", "Idempotency-Key", "k", "Authorization", "alice").want(http.StatusUnprocessableEntity, "*")
	r.get("/metrics", "Authorization", "alice").wantProblem(403, kv.CodeForbidden, "", "this is for administrators of the whole store")
	a := r.get("/v1/kv/ns/a", "Authorization", "down").wantProblem(500, kv.CodeInternal, "", "an internal error occurred")
	if strings.Contains(string(a.body), "issuer") {
		t.Error("the cause of an internal error is for the log alone")
	}
}
