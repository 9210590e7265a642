// Package oidc lets the users of an OpenID Connect issuer in: their bearer
// tokens are verified by the issuer's keys, and a claim says what they may do.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
)

// Options say which OpenID Connect tokens are good and what they grant.
type Options struct {
	URL        string                  // of the issuer; its discovery document is below it
	Audience   string                  // that a token has to be for
	Algorithms []string                // of signatures; empty: RS256 alone
	Claim      string                  // a string or a list of strings, such as groups
	Roles      map[string][]auth.Scope // what each value of the claim grants
	Client     *http.Client            // whose transport reaches the issuer; nil: the default one
	Now        func() time.Time
}

// Check refuses options under which nobody, or anybody, could come in.
func (o Options) Check() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the issuer has to be a URL such as https://id.example.com")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return errors.New("the issuer has to be reached over https: whoever could change its keys on the way could make tokens")
	case o.Audience == "":
		return errors.New("an audience has to be set, or every token of the issuer would be good")
	case o.Claim == "" || len(o.Roles) == 0:
		return errors.New("a claim and the roles that its values grant have to be set, or no token would grant anything")
	}
	for _, alg := range o.Algorithms {
		switch alg {
		case oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA:
		default:
			return fmt.Errorf("the signature algorithm %q is not an asymmetric one", alg)
		}
	}
	for role, scopes := range o.Roles {
		if err := auth.CheckScopes(scopes); err != nil {
			return fmt.Errorf("role %q: %w", role, err)
		}
	}
	return nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// Issuer accepts the bearer tokens of an OpenID Connect issuer: audience,
// issuer, expiry and signature are checked, the issuer's keys are cached and
// read again when a token names an unknown one.
type Issuer struct {
	opts      Options
	documents *documents
	client    *http.Client // reads the documents

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier // nil until the issuer's documents were read
	failure  error                 // of the last attempt to read them
	retryAt  time.Time             // before it, nobody waits for an issuer that is down
}

// New makes an issuer. It is reached with the first token, so that one
// that is down does not keep the service from starting.
func New(opts Options) (*Issuer, error) {
	if err := opts.Check(); err != nil {
		return nil, err
	}
	if len(opts.Algorithms) == 0 {
		opts.Algorithms = []string{oidc.RS256}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	read := newDocuments(opts.Client, opts.Now)
	return &Issuer{opts: opts, documents: read, client: read.client()}, nil
}

// Authenticate gives the caller whose token this is.
func (i *Issuer) Authenticate(ctx context.Context, token string) (*auth.Principal, error) {
	verifier, err := i.discovered(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	verified, err := verifier.Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	if err != nil && i.documents.down() && !errors.As(err, &expired) {
		return nil, unavailable(err) // its key may be one that cannot be read
	}
	if err != nil {
		return nil, &kv.Error{Code: kv.CodeUnauthenticated, Detail: "the bearer token is not good: expired, for another audience, or of another issuer", Cause: err}
	}
	if verified.Subject == "" || len(verified.Subject) > maxSubjectBytes {
		return nil, kv.Errorf(kv.CodeUnauthenticated, "the bearer token names no subject, or one of more than %d bytes", maxSubjectBytes)
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return nil, &kv.Error{Code: kv.CodeUnauthenticated, Detail: "the bearer token's claims cannot be read", Cause: err}
	}
	var scopes []auth.Scope
	for _, value := range stringsOf(claims[i.opts.Claim]) {
		scopes = append(scopes, i.opts.Roles[value]...)
	}
	if len(scopes) == 0 {
		return nil, kv.Errorf(kv.CodeForbidden, "no value of the bearer token's claim %q grants anything here", i.opts.Claim)
	}
	return auth.NewPrincipal("oidc:"+verified.Subject, scopes, verified.Expiry), nil
}

// maxSubjectBytes is OpenID Connect's own bound. Callers without a subject would
// share limits and idempotency keys.
const maxSubjectBytes = 255

func unavailable(err error) error {
	return &kv.Error{Code: kv.CodeUnavailable, Detail: "the identity provider does not answer", RetryAfter: documentPause, Cause: err}
}

func (i *Issuer) discovered(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.verifier != nil {
		return i.verifier, nil
	}
	if i.opts.Now().Before(i.retryAt) {
		return nil, i.failure
	}
	// The provider keeps this context for reading keys later on: it must not
	// end with the request.
	keep := oidc.ClientContext(context.WithoutCancel(ctx), i.client)
	provider, err := oidc.NewProvider(keep, i.opts.URL)
	if err != nil {
		i.failure, i.retryAt = err, i.opts.Now().Add(documentPause)
		return nil, err
	}
	i.verifier = provider.VerifierContext(keep, &oidc.Config{
		ClientID:             i.opts.Audience,
		SupportedSigningAlgs: i.opts.Algorithms,
		Now:                  i.opts.Now,
	})
	return i.verifier, nil
}

func stringsOf(claim any) []string {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []any:
		out := make([]string, 0, len(v))
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
