// Package auth says who calls and what they may do: tokens with scopes, kept
// in the store and revoked within seconds, a root token from the
// configuration, and the callers for whom an issuer vouches (auth/oidc).
package auth

import (
	"context"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Principal is an authenticated caller.
type Principal struct {
	ID     string // for logs, limits and the ownership of idempotency keys; never a secret
	Scopes []Scope

	expiresAt time.Time // zero: never
	digest    Digest    // of the secret that was presented
	registry  *Registry // nil where the caller has no token of the store
}

// NewPrincipal makes a principal that is not backed by a token of the store.
func NewPrincipal(id string, scopes []Scope, expiresAt time.Time) *Principal {
	return &Principal{ID: id, Scopes: scopes, expiresAt: expiresAt}
}

// Anonymous is the caller where authentication is off: it may do everything.
func Anonymous() *Principal { return NewPrincipal("anonymous", Everything(), time.Time{}) }

// Allows tells whether the caller has access to a key of a namespace or, for
// lists and watches, to all keys with a prefix.
func (p *Principal) Allows(namespace, keyOrPrefix string, access Access) bool {
	for i := range p.Scopes {
		if p.Scopes[i].allows(namespace, keyOrPrefix, access) {
			return true
		}
	}
	return false
}

// AllowsAny tells whether the caller has any of the accesses somewhere in a
// namespace.
func (p *Principal) AllowsAny(namespace string, accesses ...Access) bool {
	for i := range p.Scopes {
		for _, access := range accesses {
			if p.Scopes[i].allows(namespace, p.Scopes[i].Prefix, access) {
				return true
			}
		}
	}
	return false
}

// IsAdministrator tells whether the caller may administer the whole store:
// its tokens and metrics.
func (p *Principal) IsAdministrator() bool {
	for i := range p.Scopes {
		if p.Scopes[i].Namespace == "*" && p.Scopes[i].allows("", "", Admin) {
			return true
		}
	}
	return false
}

// Authorize answers forbidden where [Principal.Allows] is false, without a
// word on whether the key exists.
func (p *Principal) Authorize(namespace, keyOrPrefix string, access Access) error {
	if p.Allows(namespace, keyOrPrefix, access) {
		return nil
	}
	return kv.Errorf(kv.CodeForbidden, "the token grants no %s access to these keys of the namespace %q", access, namespace)
}

// errEnded is what a stream answers when its caller's token has ended.
var errEnded = kv.Errorf(kv.CodeUnauthenticated, "the token was revoked or has expired")

// Bind gives a context that ends, with unauthenticated as its cause, once the
// principal's token is revoked or expires. Streams run under it.
func (p *Principal) Bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	var expired <-chan time.Time
	if !p.expiresAt.IsZero() {
		timer := time.NewTimer(time.Until(p.expiresAt))
		context.AfterFunc(ctx, func() { timer.Stop() })
		expired = timer.C
	}
	if p.registry != nil || expired != nil {
		go func() {
			for {
				changed := p.registry.changes() // before it looks, or a change in between would be missed
				if !p.registry.holds(p) {
					break
				}
				select {
				case <-changed:
				case <-expired:
					cancel(errEnded)
					return
				case <-ctx.Done():
					return
				}
			}
			cancel(errEnded)
		}()
	}
	return ctx, func() { cancel(nil) }
}
