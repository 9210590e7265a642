package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
	"github.com/trivetkv/trivet/services/api/watch"
)

func TestATokensLifeOverHTTP(t *testing.T) {
	t.Parallel()
	r := secured(t)
	r.do(http.MethodGet, "/v1/tokens", as(rootToken), "").want(http.StatusOK, "{\"tokens\":[]}\n")
	created := r.do(http.MethodPost, "/v1/tokens", as(rootToken), `{"name":"shop","scopes":[{"namespace":"shop-*","prefix":"cart/","access":["read","write"]}],"ttl":"1h"}`).
		want(http.StatusCreated, "*").wantHeader("Cache-Control", "no-store")
	var made token
	created.json(&made)
	created.wantHeader("Location", "/v1/tokens/"+made.ID)
	path := "/v1/tokens/" + made.ID
	if !strings.HasPrefix(made.Token, "tvt_"+made.ID+"_") || made.Name != "shop" || time.Until(made.ExpiresAt) > time.Hour || !made.LastUsedAt.IsZero() {
		t.Fatalf("got %+v", made)
	}
	r.do(http.MethodPut, "/v1/kv/shop-eu/cart/1", as(made.Token), "v").want(http.StatusCreated, "")

	// It is shown once; its use shows.
	var again token
	secret := made.Token[strings.LastIndexByte(made.Token, '_')+1:]
	for _, target := range []string{path, "/v1/tokens"} {
		a := r.do(http.MethodGet, target, as(rootToken), "").want(http.StatusOK, "*")
		if strings.Contains(string(a.body), secret) || strings.Contains(string(a.body), "digest") {
			t.Errorf("%s shows the secret: %s", target, a.body)
		}
	}
	r.do(http.MethodGet, path, as(rootToken), "").json(&again)
	if again.LastUsedAt.IsZero() || again.Token != "" || again.ID != made.ID {
		t.Errorf("got %+v", again)
	}

	// Rotation: both secrets are good for the overlap, and without one the
	// former ends at once.
	var second, third token
	r.do(http.MethodPost, path+"/rotate", as(rootToken), `{"overlap":"1h"}`).want(http.StatusOK, "*").json(&second)
	for _, text := range []string{made.Token, second.Token} {
		r.do(http.MethodGet, "/v1/kv/shop-eu/cart/1", as(text), "").want(http.StatusOK, "v")
	}
	r.do(http.MethodPost, path+"/rotate", as(rootToken), "").want(http.StatusOK, "*").json(&third)
	if second.RotatedAt.IsZero() || second.ID != made.ID || third.Token == second.Token {
		t.Errorf("got %+v and %+v", second, third)
	}
	for _, text := range []string{made.Token, second.Token} {
		r.do(http.MethodGet, "/v1/kv/shop-eu/cart/1", as(text), "").wantProblem(401, kv.CodeUnauthenticated, "", "the bearer token is unknown, expired or revoked")
	}
	r.do(http.MethodGet, "/v1/kv/shop-eu/cart/1", as(third.Token), "").want(http.StatusOK, "v")

	r.do(http.MethodDelete, path, as(rootToken), "").want(http.StatusNoContent, "")
	r.do(http.MethodGet, "/v1/kv/shop-eu/cart/1", as(third.Token), "").want(http.StatusUnauthorized, "*")
	for method, target := range map[string]string{http.MethodGet: path, http.MethodDelete: path, http.MethodPost: path + "/rotate"} {
		r.do(method, target, as(rootToken), "").wantProblem(404, kv.CodeNotFound, "", "there is no token with this id")
	}
	for _, id := range []string{"x", strings.Repeat("a", 2000), "%00", "..", made.ID + "%2F"} {
		r.do(http.MethodDelete, "/v1/tokens/"+id, as(rootToken), "").want(http.StatusNotFound, "*")
	}
}

func TestWhatIsNoRequestForATokenIsRefused(t *testing.T) {
	t.Parallel()
	r := secured(t)
	const scopes = `"scopes":[{"namespace":"a","access":["read"]}]`
	for body, want := range map[string][2]string{
		`{}`:                             {"scopes", "the field is missing; it has to be what the token grants"},
		`{"scopes":[]}`:                  {"scopes", "a token has to have 1 to 64 scopes"},
		`{"scopes":[{"namespace":"a"}]}`: {"scopes.access", "a scope's access has to name read, write or admin"},
		`{"scopes":[{"namespace":"A","access":["read"]}]}`:                {"scopes.namespace", "a scope's namespace has to be 1 to 63 lower-case letters, digits, hyphens and *"},
		`{"scopes":[{"namespace":"_tokens","access":["read"]}]}`:          {"scopes.namespace", "a scope's namespace has to be 1 to 63 lower-case letters, digits, hyphens and *"},
		`{"scopes":[{"namespace":"a","access":["own"]}]}`:                 {"scopes.access", `unknown access "own"; it has to be read, write or admin`},
		`{"scopes":[{"namespace":"a","prefix":"p","access":["admin"]}]}`:  {"scopes.access", "admin is for whole namespaces; its scope may have no prefix"},
		`{"scopes":[{"namespace":"a","access":["read"],"expires":"1h"}]}`: {"scopes[0].expires", "unknown field"},
		`{` + scopes + `,"id":"mine"}`:                                    {"id", "unknown field"},
		`{` + scopes + `,"token":"tvt_mine"}`:                             {"token", "unknown field"},
		`{` + scopes + `,"digest":"AAAA"}`:                                {"digest", "unknown field"},
		`{` + scopes + `,"ttl":"0s"}`:                                     {"ttl", "the time to live has to be from 1ms to 87600h, such as 90s"},
		`{` + scopes + `,"ttl":"-1h"}`:                                    {"ttl", "the time to live has to be from 1ms to 87600h, such as 90s"},
		`{` + scopes + `,"name":"` + strings.Repeat("n", 129) + `"}`:      {"name", "a token's name may have at most 128 bytes of UTF-8"},
	} {
		r.do(http.MethodPost, "/v1/tokens", as(rootToken), body).wantProblem(400, kv.CodeInvalidArgument, want[0], want[1])
	}
	made := r.newToken(may("a", auth.Read))
	for body, want := range map[string][2]string{
		`{"overlap":"-1s"}`:      {"overlap", "the overlap has to be from 0s to 87600h, such as 1h"},
		`{"overlap":"1h","x":1}`: {"x", "unknown field"},
		`[]`:                     {"body", "the value has to be an object, not an array"},
	} {
		r.do(http.MethodPost, "/v1/tokens/"+made.ID+"/rotate", as(rootToken), body).wantProblem(400, kv.CodeInvalidArgument, want[0], want[1])
	}
	r.do(http.MethodPost, "/v1/tokens", headers("Authorization", "Bearer "+rootToken, "Content-Type", "text/plain"), `{}`).want(http.StatusUnsupportedMediaType, "*")
	// What was refused was not made.
	var list struct{ Tokens []token }
	r.do(http.MethodGet, "/v1/tokens", as(rootToken), "").json(&list)
	if len(list.Tokens) != 1 {
		t.Errorf("there are %d tokens", len(list.Tokens))
	}
}

// A revoked token's streams end, with the reason, on every server of the store.
func TestARevocationEndsStreamsEverywhere(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	on := func(o *server.Options) { o.Store = store }
	withHub := func(o *server.Options) {
		hub := watch.NewHub(store, watch.Options{Problem: server.Problem})
		if err := hub.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = hub.Stop(t.Context()) })
		o.Watch = hub
	}
	one, two := start(t, on, withHub, withTokens(t)), start(t, on, withHub, withTokens(t))
	revoked, kept := one.newToken(may("ns", auth.Read)), one.newToken(may("ns", auth.Read))
	eventually(t, func() bool {
		return two.do(http.MethodGet, "/v1/kv/ns/k", as(kept.Token), "").status == http.StatusNotFound &&
			two.do(http.MethodGet, "/v1/kv/ns/k", as(revoked.Token), "").status == http.StatusNotFound
	})
	here := one.watch("/v1/watch/ns", "Authorization", "Bearer "+revoked.Token)
	there := two.watch("/v1/watch/ns", "Authorization", "Bearer "+revoked.Token)
	other := two.watch("/v1/watch/ns", "Authorization", "Bearer "+kept.Token)
	began := time.Now()
	one.do(http.MethodDelete, "/v1/tokens/"+revoked.ID, as(rootToken), "").want(http.StatusNoContent, "")
	for name, events := range map[string]<-chan event{"here": here, "there": there} {
		select {
		case got := <-events:
			var problem struct{ Code, Detail string }
			if err := json.Unmarshal([]byte(got.data), &problem); err != nil || got.kind != "error" || problem.Code != "unauthenticated" {
				t.Errorf("%s: the last event is %+v", name, got)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: the stream goes on", name)
		}
		if got, open := <-events; open {
			t.Errorf("%s: behind the last event came %+v", name, got)
		}
	}
	t.Logf("both streams ended %v after the revocation", time.Since(began))
	two.do(http.MethodGet, "/v1/kv/ns/k", as(revoked.Token), "").want(http.StatusUnauthorized, "*")
	one.do(http.MethodPut, "/v1/kv/ns/k", as(rootToken), "v").want(http.StatusCreated, "")
	if got := <-other; got.kind != "put" {
		t.Errorf("another token's stream has %+v", got)
	}
}

func TestStreamsEndWithTheirTokensExpiryAndRotation(t *testing.T) {
	t.Parallel()
	r := secured(t)
	var expiring token
	r.do(http.MethodPost, "/v1/tokens", as(rootToken), `{"scopes":[{"namespace":"ns","access":["read"]}],"ttl":"1500ms"}`).want(http.StatusCreated, "*").json(&expiring)
	rotated := r.newToken(may("ns", auth.Read))
	streams := map[string]<-chan event{
		"expiry":   r.watch("/v1/watch/ns", "Authorization", "Bearer "+expiring.Token),
		"rotation": r.watch("/v1/watch/ns", "Authorization", "Bearer "+rotated.Token),
	}
	r.do(http.MethodPost, "/v1/tokens/"+rotated.ID+"/rotate", as(rootToken), "").want(http.StatusOK, "*")
	for name, events := range streams {
		if got := <-events; got.kind != "error" || !strings.Contains(got.data, `"code":"unauthenticated"`) {
			t.Errorf("%s: the last event is %+v", name, got)
		}
	}
	r.do(http.MethodGet, "/v1/kv/ns/k", as(expiring.Token), "").want(http.StatusUnauthorized, "*")
}

// No secret comes into the log, and every line of an authenticated request has
// its id and its caller's.
func TestTheLogNamesCallersAndNoSecrets(t *testing.T) {
	t.Parallel()
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			logs, with := withLog(level)
			r := secured(t, with, func(o *server.Options) {
				o.SlowRequest = time.Nanosecond
				logger := server.RequestLogger(o.Logger)
				hub := watch.NewHub(o.Store, watch.Options{Problem: server.Problem, Logger: logger})
				if err := hub.Start(context.Background()); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = hub.Stop(context.Background()) })
				o.Watch = hub
			})
			made := r.newToken(may("ns", auth.Read, auth.Write))
			var rotated token
			r.do(http.MethodPost, "/v1/tokens/"+made.ID+"/rotate", as(rootToken), `{"overlap":"1h"}`).want(200, "*").json(&rotated)
			events := r.watch("/v1/watch/ns", "Authorization", "Bearer "+made.Token, "X-Request-Id", "the-stream")
			r.do(http.MethodPut, "/v1/kv/ns/the-private-key", headers("Authorization", "Bearer "+made.Token, "X-Request-Id", "the-put", "Idempotency-Key", "the-idempotency-key"), "the-private-value").want(201, "")
			r.do(http.MethodGet, "/v1/kv/ns/the-private-key", as(made.Token+"x"), "").want(401, "*")
			r.do(http.MethodGet, "/v1/kv/other/the-private-key", as(rotated.Token), "").want(403, "*")
			<-events
			r.do(http.MethodDelete, "/v1/tokens/"+made.ID, as(rootToken), "").want(204, "")
			for range events {
			}
			line := logs.line(t, "the-put")
			if line["caller"] != made.ID || line["status"] != 201.0 {
				t.Errorf("the log has %v", line)
			}
			hash, _ := line["key_hash"].(string)
			if level == slog.LevelInfo && len(hash) != 16 {
				t.Errorf("the log has no hash of the key: %v", line)
			}
			eventually(t, func() bool { return strings.Contains(logs.text(), "watch stream ended") })
			for text := range strings.Lines(logs.text()) {
				var line map[string]any
				if err := json.Unmarshal([]byte(text), &line); err != nil {
					t.Fatal(err)
				}
				if line["request_id"] == nil || line["caller"] == nil && line["status"] != 401.0 {
					t.Errorf("the line lacks the request or the caller: %s", text)
				}
			}
			forbidden := []string{rootToken, made.Token[20:40], rotated.Token[20:40], "the-private-value"}
			if level > slog.LevelDebug {
				forbidden = append(forbidden, "the-private-key")
			}
			for _, secret := range forbidden {
				if strings.Contains(logs.text(), secret) {
					t.Errorf("the log has %s:\n%s", secret, logs.text())
				}
			}
		})
	}
}

// The hash of a key is the same wherever and whenever it is logged, and of the
// key however it was written.
func TestTheHashOfAKeyIsStable(t *testing.T) {
	t.Parallel()
	logs, with := withLog(slog.LevelInfo)
	r := start(t, with, func(o *server.Options) { o.SlowRequest = time.Nanosecond })
	for i, target := range []string{"/v1/kv/ns/a%20b", "/v1/kv/ns/%61%20%62", "/v1/kv/ns/YSBi?key_encoding=base64", "/v1/history/ns/a%20b", "/v1/kv/other/a%20b", "/v1/kv/ns"} {
		id := fmt.Sprint("request-", i)
		r.get(target, "X-Request-Id", id)
		want := any("421e15b5415b8b45")
		switch i {
		case 4:
			if got := logs.line(t, id)["key_hash"]; got == nil || got == logs.line(t, "request-0")["key_hash"] {
				t.Errorf("the same key of another namespace has the hash %v", got)
			}
			continue
		case 5:
			want = nil
		}
		if got := logs.line(t, id)["key_hash"]; got != want {
			t.Errorf("%s: the hash is %v, want %v", target, got, want)
		}
	}
}
