package auth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

// clock is a time that a test moves.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// authenticate presents a token of a registry.
func authenticate(ctx context.Context, r *auth.Registry, text string) (*auth.Principal, error) {
	return auth.New(auth.Options{Registry: r}).Authenticate(ctx, authorization(text))
}

func readCart() []auth.Scope {
	return []auth.Scope{{Namespace: "shop-*", Prefix: "cart/", Access: []auth.Access{auth.Read}}}
}
func authorization(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

func openStore(t *testing.T) kv.Store {
	t.Helper()
	store, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func startRegistry(t *testing.T, store kv.Store, now func() time.Time) *auth.Registry {
	t.Helper()
	r := auth.NewRegistry(store, auth.RegistryOptions{Now: now})
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// eventually polls until a condition holds that another process has to see.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}

func TestATokenIsGoodInEveryProcessUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	one, two := startRegistry(t, store, nil), startRegistry(t, store, nil)
	token, text, err := one.Create(t.Context(), "cart reader", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := authenticate(t.Context(), one, text)
	if err != nil || p.ID != token.ID || !p.Allows("shop-eu", "cart/1", auth.Read) || p.Allows("shop-eu", "cart/1", auth.Write) {
		t.Fatalf("got %+v, %v", p, err)
	}
	eventually(t, "the token is good in the other process", func() bool {
		_, err := authenticate(t.Context(), two, text)
		return err == nil
	})
	stream, cancel := must(authenticate(t.Context(), two, text))(t).Bind(t.Context())
	defer cancel()

	if err := one.Revoke(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := authenticate(t.Context(), one, text); kv.CodeOf(err) != kv.CodeUnauthenticated {
		t.Fatalf("after its revocation: %v", err)
	}
	eventually(t, "the other process's stream ends", func() bool { return stream.Err() != nil })
	if cause := context.Cause(stream); kv.CodeOf(cause) != kv.CodeUnauthenticated {
		t.Fatalf("the stream ended with %v", cause)
	}
	if _, err := authenticate(t.Context(), two, text); kv.CodeOf(err) != kv.CodeUnauthenticated {
		t.Fatalf("in the other process: %v", err)
	}
	if err := one.Revoke(t.Context(), token.ID); kv.CodeOf(err) != kv.CodeNotFound {
		t.Fatalf("second revocation: %v", err)
	}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestTokensSurviveARestartAndAreKeptAsDigestsOnly(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	_, text, err := startRegistry(t, store, nil).Create(t.Context(), "x", readCart(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authenticate(t.Context(), startRegistry(t, store, nil), text); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	page, err := store.List(t.Context(), "_tokens", kv.ListQuery{Limit: 10, Values: true})
	if err != nil || len(page.Entries) != 1 {
		t.Fatalf("%d records, %v", len(page.Entries), err)
	}
	secret := text[strings.LastIndexByte(text, '_')+1:]
	if strings.Contains(string(page.Entries[0].Value), secret[:16]) {
		t.Fatal("the record holds the secret")
	}
	if page, err := store.Namespaces(t.Context(), "", 10); err != nil || len(page.Namespaces) != 0 {
		t.Fatalf("the reserved namespace is listed: %+v, %v", page, err)
	}
}

func TestExpiryEndsATokenAndItsStreams(t *testing.T) {
	t.Parallel()
	c := &clock{}
	r := startRegistry(t, openStore(t), c.now)
	_, text, err := r.Create(t.Context(), "", readCart(), 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authenticate(t.Context(), r, text); err != nil {
		t.Fatal(err)
	}
	c.advance(3 * time.Second)
	if _, err := authenticate(t.Context(), r, text); kv.CodeOf(err) != kv.CodeUnauthenticated {
		t.Fatalf("after its expiry: %v", err)
	}
}

func TestAStreamEndsWithItsTokensExpiry(t *testing.T) {
	t.Parallel()
	p := auth.NewPrincipal("x", nil, time.Now().Add(10*time.Millisecond))
	stream, cancel := p.Bind(t.Context())
	defer cancel()
	<-stream.Done()
	if cause := context.Cause(stream); kv.CodeOf(cause) != kv.CodeUnauthenticated {
		t.Fatalf("ended with %v", cause)
	}
}

func TestRotationKeepsTheFormerSecretForItsOverlap(t *testing.T) {
	t.Parallel()
	c := &clock{}
	store := openStore(t)
	r := startRegistry(t, store, c.now)
	token, first, err := r.Create(t.Context(), "", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	rotated, second, err := r.Rotate(t.Context(), token.ID, 3*time.Second)
	if err != nil || rotated.ID != token.ID || first == second {
		t.Fatalf("got %+v, %v", rotated, err)
	}
	other := startRegistry(t, store, c.now)
	for _, registry := range []*auth.Registry{r, other} {
		for name, text := range map[string]string{"former": first, "new": second} {
			if _, err := authenticate(t.Context(), registry, text); err != nil {
				t.Errorf("%s secret within the overlap: %v", name, err)
			}
		}
	}
	c.advance(3 * time.Second)
	if _, err := authenticate(t.Context(), r, first); kv.CodeOf(err) != kv.CodeUnauthenticated {
		t.Errorf("former secret after the overlap: %v", err)
	}
	if _, err := authenticate(t.Context(), r, second); err != nil {
		t.Errorf("new secret after the overlap: %v", err)
	}
	_, third, err := r.Rotate(t.Context(), token.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authenticate(t.Context(), r, second); kv.CodeOf(err) != kv.CodeUnauthenticated {
		t.Errorf("without an overlap: %v", err)
	}
	if _, err := authenticate(t.Context(), r, third); err != nil {
		t.Error(err)
	}
	if _, _, err := r.Rotate(t.Context(), "none", 0); kv.CodeOf(err) != kv.CodeNotFound {
		t.Errorf("a token that is not there: %v", err)
	}
}

func TestNobodyIsLetInWhileRevocationsCannotBeSeen(t *testing.T) {
	t.Parallel()
	c := &clock{}
	store := &outage{Store: openStore(t)}
	r := startRegistry(t, store, c.now)
	_, text, err := r.Create(t.Context(), "", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	store.down.Store(true)
	c.advance(6 * time.Second)
	if _, err := authenticate(t.Context(), r, text); kv.CodeOf(err) != kv.CodeUnavailable {
		t.Fatalf("got %v, want unavailable", err)
	}
	store.down.Store(false)
	eventually(t, "the token is good again", func() bool {
		_, err := authenticate(t.Context(), r, text)
		return err == nil
	})
}

// outage is a store whose change log cannot be read while it is down.
type outage struct {
	kv.Store
	down atomic.Bool
}

func (o *outage) Changes(ctx context.Context, ns string, q kv.ChangeQuery) (kv.ChangePage, error) {
	if o.down.Load() {
		return kv.ChangePage{}, errors.New("down")
	}
	return o.Store.Changes(ctx, ns, q)
}

func TestLastUseIsWrittenDown(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	r := auth.NewRegistry(store, auth.RegistryOptions{})
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	token, text, err := r.Create(t.Context(), "", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if !token.LastUsedAt.IsZero() {
		t.Fatalf("a new token was used at %v", token.LastUsedAt)
	}
	if _, err := authenticate(t.Context(), r, text); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	again, err := startRegistry(t, store, nil).Get(token.ID)
	if err != nil || again.LastUsedAt.IsZero() {
		t.Fatalf("after a restart: %+v, %v", again, err)
	}
}

func TestWhatIsNoTokenIsRefusedAlike(t *testing.T) {
	t.Parallel()
	r := startRegistry(t, openStore(t), nil)
	_, text, err := r.Create(t.Context(), "", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	root := strings.Repeat("root-token-", 4)
	a := auth.New(auth.Options{Registry: r, RootToken: root})
	flipped := []byte(text)
	flipped[20] ^= 1
	for name, header := range map[string]http.Header{
		"no header":           {},
		"another scheme":      {"Authorization": {"Basic " + text}},
		"no token":            {"Authorization": {"Bearer "}},
		"two headers":         {"Authorization": {"Bearer " + text, "Bearer " + text}},
		"one character off":   authorization(string(flipped)),
		"cut short":           authorization(text[:len(text)-1]),
		"nearly root":         authorization(root + "x"),
		"a JWT of no issuer":  authorization("a.b.c"),
		"something after it ": authorization(text + " "),
	} {
		if _, err := a.Authenticate(t.Context(), header); kv.CodeOf(err) != kv.CodeUnauthenticated {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if p, err := a.Authenticate(t.Context(), authorization(text)); err != nil || p.IsAdministrator() {
		t.Errorf("the token: %+v, %v", p, err)
	}
	if p, err := a.Authenticate(t.Context(), http.Header{"Authorization": {"bearer " + root}}); err != nil || !p.IsAdministrator() {
		t.Errorf("the root token: %+v, %v", p, err)
	}
}

func TestScopesThatCannotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	r := startRegistry(t, openStore(t), nil)
	read := []auth.Access{auth.Read}
	for name, scopes := range map[string][]auth.Scope{
		"none":                  nil,
		"too many":              make([]auth.Scope, 65),
		"no namespace":          {{Access: read}},
		"upper case":            {{Namespace: "Shop", Access: read}},
		"reserved namespace":    {{Namespace: "_tokens", Access: read}},
		"no access":             {{Namespace: "shop"}},
		"unknown access":        {{Namespace: "shop", Access: []auth.Access{"own"}}},
		"admin of a prefix":     {{Namespace: "shop", Prefix: "a", Access: []auth.Access{auth.Admin}}},
		"a prefix over the key": {{Namespace: "shop", Prefix: strings.Repeat("a", 1025), Access: read}},
	} {
		if _, _, err := r.Create(t.Context(), "", scopes, 0); kv.CodeOf(err) != kv.CodeInvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, err := r.Create(t.Context(), strings.Repeat("n", 129), readCart(), 0); kv.CodeOf(err) != kv.CodeInvalidArgument {
		t.Errorf("long name: got %v", err)
	}
	if got := r.List(); len(got) != 0 {
		t.Errorf("refused tokens were made: %+v", got)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	store, err := pebble.Open(b.TempDir(), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	r := auth.NewRegistry(store, auth.RegistryOptions{})
	if err := r.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = r.Stop(context.Background()) }()
	_, text, err := r.Create(b.Context(), "", readCart(), 0)
	if err != nil {
		b.Fatal(err)
	}
	a := auth.New(auth.Options{Registry: r, RootToken: strings.Repeat("r", 32)})
	header := authorization(text)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), header); err != nil {
			b.Fatal(err)
		}
	}
}
