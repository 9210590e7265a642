package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/services/api/server"
)

// rootToken is the administrator's on secured servers.
const rootToken = "a-root-token-of-more-than-32-characters"

// secured starts a server that asks for tokens, which it keeps in its store.
func secured(t *testing.T, change ...func(*server.Options)) *rig {
	t.Helper()
	return start(t, append([]func(*server.Options){withTokens(t)}, change...)...)
}

func withTokens(t *testing.T) func(*server.Options) {
	t.Helper()
	return func(o *server.Options) {
		registry := auth.NewRegistry(o.Store, auth.RegistryOptions{Logger: o.Logger})
		if err := registry.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := registry.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		o.Tokens = registry
		o.Authenticate = bearer(auth.New(auth.Options{Registry: registry, RootToken: rootToken}))
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
		o.OpenAPI, o.Docs = o.Metrics, o.Metrics
	}
}

// as gives the header with which a request is made with a token.
func as(token string) header { return headers("Authorization", "Bearer "+token) }

// token is one as the API answers it.
type token struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	Scopes     []auth.Scope `json:"scopes"`
	ExpiresAt  time.Time    `json:"expires_at"`
	LastUsedAt time.Time    `json:"last_used_at"`
	RotatedAt  time.Time    `json:"rotated_at"`
	Token      string       `json:"token"`
}

// newToken makes a token over HTTP.
func (r *rig) newToken(scopes ...auth.Scope) token {
	r.t.Helper()
	body, err := json.Marshal(map[string]any{"scopes": scopes})
	if err != nil {
		r.t.Fatal(err)
	}
	var made token
	r.do(http.MethodPost, "/v1/tokens", as(rootToken), string(body)).want(http.StatusCreated, "*").json(&made)
	return made
}

// may makes a scope without a prefix.
func may(namespace string, access ...auth.Access) auth.Scope {
	return auth.Scope{Namespace: namespace, Access: access}
}
