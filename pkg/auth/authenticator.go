package auth

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// RootID is the principal's id of the root token.
const RootID = "root"

// Issuer vouches for the callers of another system.
type Issuer interface {
	Authenticate(ctx context.Context, token string) (*Principal, error)
}

// Authenticator finds out who sent a request.
type Authenticator struct {
	registry *Registry
	issuer   Issuer
	root     *Principal
}

// Options say which credentials an [Authenticator] accepts.
type Options struct {
	Registry  *Registry // tokens of the store; nil: none
	Issuer    Issuer    // tokens of another system, such as an OpenID Connect issuer; nil: none
	RootToken string    // an administrator's token; empty: none
}

// New makes an authenticator.
func New(opts Options) *Authenticator {
	a := &Authenticator{registry: opts.Registry, issuer: opts.Issuer}
	if opts.RootToken != "" {
		a.root = NewPrincipal(RootID, Everything(), time.Time{})
		a.root.digest = digestOf(opts.RootToken)
	}
	return a
}

// Authenticate gives the caller of a request by its Authorization header:
// unauthenticated when there is none or it is not good, unavailable when that
// cannot be found out.
func (a *Authenticator) Authenticate(ctx context.Context, header http.Header) (*Principal, error) {
	values := header["Authorization"]
	if len(values) == 0 {
		return nil, kv.Errorf(kv.CodeUnauthenticated, "a bearer token is needed: Authorization: Bearer tvt_…")
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, kv.Errorf(kv.CodeUnauthenticated, "the Authorization header has to be: Bearer, one space, a token")
	}
	digest := digestOf(token)
	switch {
	case a.root != nil && subtle.ConstantTimeCompare(digest[:], a.root.digest[:]) == 1:
		return a.root, nil
	case a.registry != nil && strings.HasPrefix(token, tokenPrefix):
		return a.registry.authenticate(token, digest)
	case a.issuer != nil && strings.Count(token, ".") == 2:
		return a.issuer.Authenticate(ctx, token)
	default:
		return nil, errUnknownToken
	}
}
