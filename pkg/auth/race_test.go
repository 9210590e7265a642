package auth_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
)

// stall is a store whose calls a test holds up.
type stall struct {
	kv.Store
	changes atomic.Pointer[steps] // through which the change log is read one by one; nil: freely
	applied atomic.Pointer[held]  // what a write waits for once it is made; nil: nothing
}

// steps are the reads of a change log: each says that it was asked for, which
// is once the one before was applied, and waits until it may go on.
type steps struct{ asked, next chan struct{} }

type held struct{ made, release chan struct{} }

func (s *stall) Changes(ctx context.Context, ns string, q kv.ChangeQuery) (kv.ChangePage, error) {
	if s := s.changes.Load(); s != nil {
		q.Limit = 1
		if !send(ctx, s.asked) || !receive(ctx, s.next) {
			return kv.ChangePage{}, ctx.Err()
		}
	}
	return s.Store.Changes(ctx, ns, q)
}

func (s *stall) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	res, err := s.Store.Apply(ctx, ns, op, id)
	if h := s.applied.Swap(nil); h != nil {
		close(h.made)
		<-h.release
	}
	return res, err
}

func send(ctx context.Context, c chan<- struct{}) bool {
	select {
	case c <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func receive(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// caughtUp waits until a registry knows everything that was written before.
func caughtUp(t *testing.T, store kv.Store, r *auth.Registry) {
	t.Helper()
	other := startRegistry(t, store, nil)
	_, text, err := other.Create(t.Context(), "marker", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a later token is known", func() bool {
		_, err := authenticate(t.Context(), r, text)
		return err == nil
	})
}

func TestAChangeThatComesLateDoesNotBringARevokedTokenBack(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	slow := &stall{Store: store}
	r := startRegistry(t, slow, nil)
	s := &steps{make(chan struct{}), make(chan struct{})}
	slow.changes.Store(s)
	token, text, err := r.Create(t.Context(), "", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Revoke(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	<-s.asked
	for _, change := range []string{"creation", "revocation"} {
		if !send(t.Context(), s.next) || !receive(t.Context(), s.asked) {
			t.Fatal("the change log is not read")
		}
		if _, err := authenticate(t.Context(), r, text); kv.CodeOf(err) != kv.CodeUnauthenticated {
			t.Errorf("once the change log has told of its %s: %v", change, err)
		}
	}
	slow.changes.Store(nil)
	close(s.next)
}

func TestAWriteThatEndsLateDoesNotBringARevokedTokenBack(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	slow := &stall{Store: store}
	one, two := startRegistry(t, slow, nil), startRegistry(t, store, nil)
	token, first, err := one.Create(t.Context(), "", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	h := &held{make(chan struct{}), make(chan struct{})}
	slow.applied.Store(h)
	var second string
	var rotation sync.WaitGroup
	rotation.Go(func() { _, second, err = one.Rotate(context.Background(), token.ID, time.Hour) })
	<-h.made
	if err := two.Revoke(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revocation is known", func() bool {
		_, err := authenticate(t.Context(), one, first)
		return kv.CodeOf(err) == kv.CodeUnauthenticated
	})
	caughtUp(t, store, one)
	close(h.release)
	rotation.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"former": first, "new": second} {
		if _, err := authenticate(t.Context(), one, text); kv.CodeOf(err) != kv.CodeUnauthenticated {
			t.Errorf("the %s secret of the revoked token: %v", name, err)
		}
	}
}

// TestNoStreamOutlivesItsToken binds streams while their token is revoked: each
// one either sees it gone, or is told.
func TestNoStreamOutlivesItsToken(t *testing.T) {
	t.Parallel()
	r := startRegistry(t, openStore(t), nil)
	for range 50 {
		token, text, err := r.Create(t.Context(), "", readCart(), 0)
		if err != nil {
			t.Fatal(err)
		}
		p, err := authenticate(t.Context(), r, text)
		if err != nil {
			t.Fatal(err)
		}
		var streams [8]context.Context
		var wg sync.WaitGroup
		for i := range streams {
			wg.Go(func() {
				stream, cancel := p.Bind(t.Context())
				t.Cleanup(cancel)
				streams[i] = stream
			})
		}
		if err := r.Revoke(t.Context(), token.ID); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		for i, stream := range streams {
			select {
			case <-stream.Done():
			case <-time.After(5 * time.Second):
				t.Fatalf("stream %d goes on", i)
			}
			if kv.CodeOf(context.Cause(stream)) != kv.CodeUnauthenticated {
				t.Fatalf("stream %d ended with %v", i, context.Cause(stream))
			}
		}
	}
}

func TestStreamsOfAFormerSecretEndWithARotation(t *testing.T) {
	t.Parallel()
	r := startRegistry(t, openStore(t), nil)
	token, text, err := r.Create(t.Context(), "", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	stream, cancel := must(authenticate(t.Context(), r, text))(t).Bind(t.Context())
	defer cancel()
	_, second, err := r.Rotate(t.Context(), token.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	kept, cancelKept := must(authenticate(t.Context(), r, second))(t).Bind(t.Context())
	defer cancelKept()
	if stream.Err() != nil {
		t.Fatal("the stream ended within the overlap")
	}
	if _, third, err := r.Rotate(t.Context(), token.ID, time.Hour); err != nil {
		t.Fatal(err)
	} else if _, err := authenticate(t.Context(), r, third); err != nil {
		t.Fatal(err)
	}
	<-stream.Done() // its secret is two rotations old
	if kept.Err() != nil {
		t.Error("the stream of the secret before ended within the overlap")
	}
}

// expired is a store whose change log begins behind the first question.
type expired struct {
	kv.Store
	questions atomic.Int64
}

func (e *expired) Changes(ctx context.Context, ns string, q kv.ChangeQuery) (kv.ChangePage, error) {
	if e.questions.Add(1) == 1 {
		return kv.ChangePage{}, kv.ErrPositionExpired
	}
	return e.Store.Changes(ctx, ns, q)
}

func TestARegistryThatWasAwayForLongReadsAllTokensAgain(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	one := startRegistry(t, store, nil)
	away := &expired{Store: store}
	two := startRegistry(t, away, nil)
	token, text, err := one.Create(t.Context(), "", readCart(), 0)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the token is known", func() bool {
		_, err := authenticate(t.Context(), two, text)
		return err == nil
	})
	if away.questions.Load() == 0 {
		t.Fatal("the change log was not read")
	}
	if err := one.Revoke(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its revocation is known", func() bool {
		_, err := authenticate(t.Context(), two, text)
		return kv.CodeOf(err) == kv.CodeUnauthenticated
	})
}

func TestOnlyTheLastUseOfATokenIsKept(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	for range 2 { // the second start finds it so
		startRegistry(t, store, nil)
		uses, err := store.Namespace(t.Context(), "_token-uses")
		if err != nil || uses.Retention != 0 {
			t.Fatalf("uses are kept for %v, %v", uses.Retention, err)
		}
	}
	// Tokens themselves are kept: other processes read them from the change log.
	tokens, err := store.Namespace(t.Context(), "_tokens")
	if err != nil || tokens.Retention != kv.DefaultRetention {
		t.Fatalf("changes of tokens are kept for %v, %v", tokens.Retention, err)
	}
}

// broken is a store of which one call fails.
type broken struct {
	kv.Store
	namespace, list bool
}

var errBroken = errors.New("broken")

func (b broken) Namespace(ctx context.Context, ns string) (kv.Namespace, error) {
	if b.namespace {
		return kv.Namespace{}, errBroken
	}
	return b.Store.Namespace(ctx, ns)
}

func (b broken) List(ctx context.Context, ns string, q kv.ListQuery) (kv.ListPage, error) {
	if b.list {
		return kv.ListPage{}, errBroken
	}
	return b.Store.List(ctx, ns, q)
}

func TestARegistryDoesNotStartWithoutItsTokens(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	for name, b := range map[string]broken{"settings": {store, true, false}, "tokens": {store, false, true}} {
		r := auth.NewRegistry(b, auth.RegistryOptions{})
		if err := r.Start(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPrincipalIsHeldAgainstItsScopes(t *testing.T) {
	t.Parallel()
	p := auth.NewPrincipal("p", []auth.Scope{
		{Namespace: "shop-*", Prefix: "cart/", Access: []auth.Access{auth.Read}},
		{Namespace: "shop-eu", Access: []auth.Access{auth.Admin}},
	}, time.Time{})
	for _, tt := range []struct {
		namespace string
		accesses  []auth.Access
		want      bool
	}{
		{"shop-us", []auth.Access{auth.Read}, true},
		{"shop-us", []auth.Access{auth.Write, auth.Admin}, false},
		{"shop-eu", []auth.Access{auth.Write, auth.Admin}, true},
		{"other", []auth.Access{auth.Read, auth.Write, auth.Admin}, false},
		{"shop-us", nil, false},
	} {
		if got := p.AllowsAny(tt.namespace, tt.accesses...); got != tt.want {
			t.Errorf("%s %v: %t", tt.namespace, tt.accesses, got)
		}
	}
	if err := p.Authorize("shop-us", "cart/1", auth.Read); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"", "car", "other/1"} {
		if err := p.Authorize("shop-us", key, auth.Read); kv.CodeOf(err) != kv.CodeForbidden {
			t.Errorf("%q: %v", key, err)
		}
	}
	if p.IsAdministrator() {
		t.Error("an administrator of one namespace is one of all")
	}
}
