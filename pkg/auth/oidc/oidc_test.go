package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/auth/oidc"
	"github.com/trivetkv/trivet/pkg/kv"
)

// provider is an OpenID Connect issuer on loopback.
type provider struct {
	*httptest.Server
	key       *rsa.PrivateKey
	keyReads  atomic.Int64
	documents atomic.Int64
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.documents.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256", "HS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.keyReads.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "RS256", Use: "sig"}}})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) token(t *testing.T, alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "one"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{"iss": p.URL, "aud": "trivet", "sub": "ann", "exp": time.Now().Add(time.Hour).Unix(), "groups": []string{"shop-team"}}
	for name, value := range claims {
		all[name] = value
	}
	text, err := jwt.Signed(signer).Claims(all).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (p *provider) options() oidc.Options {
	return oidc.Options{
		URL: p.URL, Audience: "trivet", Claim: "groups",
		Roles: map[string][]auth.Scope{"shop-team": {{Namespace: "shop-*", Access: []auth.Access{auth.Read}}}},
	}
}

func TestIssuerAcceptsOnlyWhatItShould(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := oidc.New(p.options())
	if err != nil {
		t.Fatal(err)
	}
	good := p.token(t, jose.RS256, p.key, nil)
	for _, test := range []struct {
		name, token string
		want        kv.Code
	}{
		{"good", good, ""},
		{"a claim that is one string", p.token(t, jose.RS256, p.key, map[string]any{"groups": "shop-team"}), ""},
		{"expired", p.token(t, jose.RS256, p.key, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), kv.CodeUnauthenticated},
		{"another audience", p.token(t, jose.RS256, p.key, map[string]any{"aud": "other"}), kv.CodeUnauthenticated},
		{"another issuer", p.token(t, jose.RS256, p.key, map[string]any{"iss": "https://evil.example"}), kv.CodeUnauthenticated},
		{"another key", p.token(t, jose.RS256, stranger, nil), kv.CodeUnauthenticated},
		{"an algorithm that is not pinned", p.token(t, jose.PS256, p.key, nil), kv.CodeUnauthenticated},
		{"the public key used as a shared secret", p.token(t, jose.HS256, p.key.N.Bytes(), nil), kv.CodeUnauthenticated},
		{"no signature", strings.Join(append(strings.Split(good, ".")[:2], ""), "."), kv.CodeUnauthenticated},
		{"no role", p.token(t, jose.RS256, p.key, map[string]any{"groups": []string{"guests"}}), kv.CodeForbidden},
		{"no claim", p.token(t, jose.RS256, p.key, map[string]any{"groups": nil}), kv.CodeForbidden},
		{"garbage", "a.b.c", kv.CodeUnauthenticated},
		{"no subject", p.token(t, jose.RS256, p.key, map[string]any{"sub": ""}), kv.CodeUnauthenticated},
		{"an endless subject", p.token(t, jose.RS256, p.key, map[string]any{"sub": strings.Repeat("a", 256)}), kv.CodeUnauthenticated},
	} {
		t.Run(test.name, func(t *testing.T) {
			principal, err := issuer.Authenticate(t.Context(), test.token)
			if got := kv.CodeOf(err); got != test.want {
				t.Fatalf("code %q, want %q (%v)", got, test.want, err)
			}
			if err != nil {
				return
			}
			if principal.ID != "oidc:ann" || !principal.Allows("shop-eu", "cart", auth.Read) || principal.Allows("shop-eu", "cart", auth.Write) {
				t.Fatalf("got %+v", principal)
			}
		})
	}
	if reads := p.keyReads.Load(); reads > 3 {
		t.Fatalf("the issuer's keys were read %d times; they are not cached", reads)
	}
}

func TestIssuerThatIsDownIsNotWaitedForByEveryRequest(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	token := p.token(t, jose.RS256, p.key, nil)
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.documents.Add(1)
		http.Error(w, "down", http.StatusBadGateway)
	})
	now := time.Now()
	opts := p.options()
	opts.Now = func() time.Time { return now }
	issuer, err := oidc.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := issuer.Authenticate(t.Context(), token); kv.CodeOf(err) != kv.CodeUnavailable {
			t.Fatalf("got %v, want unavailable", err)
		}
	}
	if got := p.documents.Load(); got != 1 {
		t.Fatalf("the issuer was asked %d times, want once", got)
	}
	now = now.Add(6 * time.Second)
	_, _ = issuer.Authenticate(t.Context(), token)
	if got := p.documents.Load(); got != 2 {
		t.Fatalf("the issuer was asked %d times after the pause, want twice", got)
	}
}

// Anybody can make up tokens whose keys the issuer has to be asked for.
func TestMadeUpTokensDoNotMakeTheServerAskTheIssuer(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var offset atomic.Int64
	opts := p.options()
	opts.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	issuer, err := oidc.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := p.token(t, jose.RS256, p.key, nil), p.token(t, jose.RS256, stranger, nil)
	if _, err := issuer.Authenticate(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, err := issuer.Authenticate(t.Context(), bad); kv.CodeOf(err) != kv.CodeUnauthenticated {
			t.Fatalf("got %v", err)
		}
	}
	if got := p.keyReads.Load(); got != 1 {
		t.Fatalf("the keys were read %d times, want once", got)
	}
	// The last of them may still be waited for, and the next one share its outcome.
	offset.Store(int64(6 * time.Second))
	for deadline := time.Now().Add(10 * time.Second); p.keyReads.Load() < 2; {
		if _, err := issuer.Authenticate(t.Context(), bad); kv.CodeOf(err) != kv.CodeUnauthenticated {
			t.Fatalf("got %v", err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the keys were not read once more after a while")
		}
	}
	if got := p.keyReads.Load(); got != 2 {
		t.Fatalf("the keys were read %d times, want once more after a while", got)
	}
	if _, err := issuer.Authenticate(t.Context(), good); err != nil {
		t.Fatalf("the good token, after bad ones: %v", err)
	}
}

// The issuer's documents are consumed within bounds of size and time, and what
// is wrong with them never lets anybody in.
func TestDocumentsThatCannotBeUsedAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	t.Cleanup(func() { close(held) })
	for name, answer := range map[string]http.HandlerFunc{
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 10 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"another issuer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"issuer":"https://evil.example"}`))
		},
		"broken":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"redirects": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"slow": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-held:
			case <-r.Context().Done():
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			token := p.token(t, jose.RS256, p.key, nil)
			p.Config.Handler = answer
			issuer, err := oidc.New(p.options())
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := issuer.Authenticate(t.Context(), token); kv.CodeOf(err) != kv.CodeUnavailable {
				t.Fatalf("got %v, want unavailable", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it was waited for %v", took)
			}
		})
	}
}

func TestIssuerOptionsThatLetAnybodyInAreRefused(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	for name, change := range map[string]func(*oidc.Options){
		"no issuer":             func(o *oidc.Options) { o.URL = "" },
		"no URL":                func(o *oidc.Options) { o.URL = "id.example.com" },
		"in clear text":         func(o *oidc.Options) { o.URL = "http://id.example.com" },
		"a password":            func(o *oidc.Options) { o.URL = "https://user:secret@id.example.com" },
		"no audience":           func(o *oidc.Options) { o.Audience = "" },
		"no claim":              func(o *oidc.Options) { o.Claim = "" },
		"no roles":              func(o *oidc.Options) { o.Roles = nil },
		"a symmetric algorithm": func(o *oidc.Options) { o.Algorithms = []string{"HS256"} },
		"no algorithm at all":   func(o *oidc.Options) { o.Algorithms = []string{"none"} },
		"a role without access": func(o *oidc.Options) { o.Roles = map[string][]auth.Scope{"x": {{Namespace: "*"}}} },
	} {
		opts := p.options()
		change(&opts)
		if _, err := oidc.New(opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
