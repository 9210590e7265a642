package auth

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/lifecycle"
)

// The registry's keys live in reserved namespaces, which the data API refuses
// and lists never show.
const (
	tokensNamespace = "_tokens"
	usesNamespace   = "_token-uses"
)

// maxTokens bounds what every process holds in memory.
const maxTokens = 10_000

// A change is looked for at least every pollInterval. Once none could be
// looked for during staleAfter, nobody is let in: a revocation could be among
// those that were missed.
const (
	pollInterval = time.Second
	staleAfter   = 5 * time.Second
	useInterval  = time.Minute
)

// RegistryOptions configure a [Registry]. The zero value works.
type RegistryOptions struct {
	Logger *slog.Logger
	Now    func() time.Time
}

// Registry keeps the tokens: in the store, and in the memory of every process,
// which follows the store's change log.
type Registry struct {
	store kv.Store
	log   *slog.Logger
	now   func() time.Time

	loops lifecycle.Group

	mu          sync.Mutex          // one change of credentials at a time
	writing     map[string]int      // writes under way here, by token
	revoked     map[string]struct{} // the change log, or a write under way, may still tell what they were before
	credentials atomic.Pointer[map[string]*credential]
	changed     atomic.Pointer[chan struct{}]
	position    kv.Position
	confirmed   atomic.Int64 // Unix nanoseconds at which the store last said that nothing is missing
	uses        map[string]*atomic.Int64
}

// NewRegistry makes a registry over a store.
func NewRegistry(store kv.Store, opts RegistryOptions) *Registry {
	r := &Registry{store: store, log: opts.Logger, now: opts.Now, uses: map[string]*atomic.Int64{}, writing: map[string]int{}, revoked: map[string]struct{}{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.credentials.Store(&map[string]*credential{})
	changed := make(chan struct{})
	r.changed.Store(&changed)
	return r
}

// Start loads the tokens and begins to follow their changes.
func (r *Registry) Start(ctx context.Context) error {
	if err := r.keepNoUses(ctx); err != nil {
		return err
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	if err := r.loops.Start(ctx, "token changes", lifecycle.NewLoop(r.follow)); err != nil {
		return err
	}
	return r.loops.Start(ctx, "token uses", lifecycle.NewLoop(r.recordUses))
}

// Stop ends what Start began.
func (r *Registry) Stop(ctx context.Context) error { return r.loops.Stop(ctx) }

// authenticate gives the caller whose token this is, without asking the store.
func (r *Registry) authenticate(token string, digest Digest) (*Principal, error) {
	id, ok := parseToken(token)
	if !ok {
		return nil, errUnknownToken
	}
	now := r.now()
	if now.UnixNano()-r.confirmed.Load() > int64(staleAfter) {
		return nil, errNotConfirmed
	}
	c := (*r.credentials.Load())[id]
	if c == nil {
		return nil, errUnknownToken
	}
	p := c.match(digest, now)
	if p == nil {
		return nil, errUnknownToken
	}
	c.lastUsed.Store(now.UnixMilli())
	return p, nil
}

var errNotConfirmed = kv.Errorf(kv.CodeUnavailable, "tokens cannot be verified while the store does not answer")

// errUnknownToken does not tell an unknown token from an expired or revoked
// one, so that nothing can be learned by trying.
var errUnknownToken = kv.Errorf(kv.CodeUnauthenticated, "the bearer token is unknown, expired or revoked")

// Create makes a token. Its text is answered here and never again.
func (r *Registry) Create(ctx context.Context, name string, scopes []Scope, ttl time.Duration) (Token, string, error) {
	if err := errors.Join(checkName(name), CheckScopes(scopes)); err != nil {
		return Token{}, "", err
	}
	if len(*r.credentials.Load()) >= maxTokens {
		return Token{}, "", kv.Errorf(kv.CodeQuotaExceeded, "there are %d tokens, the most that are kept; revoke some", maxTokens)
	}
	id := newID()
	text := newToken(id)
	digest := digestOf(text)
	rec := record{Name: name, Scopes: scopes, CreatedAt: r.now().UTC(), Digest: digest[:]}
	if ttl != 0 {
		if err := kv.CheckTTL("ttl", ttl); err != nil {
			return Token{}, "", err
		}
		rec.ExpiresAt = rec.CreatedAt.Add(ttl)
	}
	t, err := r.put(ctx, id, rec, kv.Condition{Absent: true})
	return t, text, err
}

// Rotate gives a token a new secret. The one before it stays good for overlap.
func (r *Registry) Rotate(ctx context.Context, id string, overlap time.Duration) (Token, string, error) {
	if overlap < 0 || overlap > kv.MaxTTL {
		return Token{}, "", kv.Invalid("overlap", "the overlap has to be from 0s to 87600h, such as 1h")
	}
	entry, rec, err := r.get(ctx, id)
	if err != nil {
		return Token{}, "", err
	}
	text := newToken(id)
	digest := digestOf(text)
	now := r.now().UTC()
	rec.Previous, rec.PreviousUntil = nil, time.Time{}
	if overlap > 0 {
		rec.Previous, rec.PreviousUntil = rec.Digest, now.Add(overlap)
	}
	rec.Digest, rec.RotatedAt = digest[:], now
	t, err := r.put(ctx, id, rec, kv.Condition{Versions: []kv.Version{entry.Version}})
	if errors.Is(err, kv.ErrVersionMismatch) {
		err = kv.Errorf(kv.CodeConflict, "the token was changed by another call at the same time")
	}
	return t, text, err
}

// Revoke ends a token: at once here, within seconds everywhere else.
func (r *Registry) Revoke(ctx context.Context, id string) error {
	if !isID(id) {
		return errNoSuchToken
	}
	_, err := r.store.Apply(ctx, tokensNamespace, kv.Operation{Kind: kv.KindDelete, Key: id}, kv.Identity{})
	if errors.Is(err, kv.ErrNotFound) {
		return errNoSuchToken
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[id] = struct{}{}
	r.remove(id)
	return nil
}

var errNoSuchToken = kv.Errorf(kv.CodeNotFound, "there is no token with this id")

// Get gives one token.
func (r *Registry) Get(id string) (Token, error) {
	c := (*r.credentials.Load())[id]
	if c == nil {
		return Token{}, errNoSuchToken
	}
	return c.token(), nil
}

// List gives all tokens, the oldest first.
func (r *Registry) List() []Token {
	credentials := *r.credentials.Load()
	tokens := make([]Token, 0, len(credentials))
	for _, c := range credentials {
		tokens = append(tokens, c.token())
	}
	slices.SortFunc(tokens, func(a, b Token) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return tokens
}

func (r *Registry) get(ctx context.Context, id string) (kv.Entry, record, error) {
	if !isID(id) {
		return kv.Entry{}, record{}, errNoSuchToken
	}
	entry, err := r.store.Get(ctx, tokensNamespace, id, kv.ReadOptions{Consistency: kv.Strong})
	if errors.Is(err, kv.ErrNotFound) {
		return kv.Entry{}, record{}, errNoSuchToken
	}
	if err != nil {
		return kv.Entry{}, record{}, err
	}
	rec, err := decodeRecord(entry.Value)
	return entry, rec, err
}

func (r *Registry) put(ctx context.Context, id string, rec record, cond kv.Condition) (Token, error) {
	value, err := json.Marshal(rec)
	if err != nil {
		return Token{}, err
	}
	if len(value) > kv.MaxChangeValueBytes/2 {
		return Token{}, kv.Invalid("scopes", "the scopes are larger than a token may have; use fewer or shorter prefixes")
	}
	op := kv.Operation{Kind: kv.KindPut, Key: id, Value: value, ContentType: "application/json", If: cond}
	r.mu.Lock()
	r.writing[id]++
	r.mu.Unlock()
	result, err := r.store.Apply(ctx, tokensNamespace, op, kv.Identity{})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writing[id]--; r.writing[id] == 0 {
		delete(r.writing, id)
	}
	if err != nil {
		return Token{}, err
	}
	c := r.newCredential(id, rec, result.Version)
	r.set(c)
	return c.token(), nil
}

// set puts a token's state in force in this process, unless a newer one is:
// what was done here comes again, late, in the change log. The caller holds
// r.mu.
func (r *Registry) set(c *credential) {
	if _, gone := r.revoked[c.id]; gone {
		return
	}
	if have := (*r.credentials.Load())[c.id]; have != nil && have.version >= c.version {
		return
	}
	next := maps.Clone(*r.credentials.Load())
	next[c.id] = c
	r.replace(next)
}

// remove ends a token in this process. The caller holds r.mu.
func (r *Registry) remove(id string) {
	if (*r.credentials.Load())[id] == nil {
		return
	}
	next := maps.Clone(*r.credentials.Load())
	delete(next, id)
	delete(r.uses, id)
	r.replace(next)
}

// replace puts credentials in force and wakes the streams, which then look
// whether their own is among them.
func (r *Registry) replace(credentials map[string]*credential) {
	r.credentials.Store(&credentials)
	next := make(chan struct{})
	close(*r.changed.Swap(&next))
}

// changes gives a channel that is closed with the next change; nil, which
// never is, for a caller without a registry.
func (r *Registry) changes() <-chan struct{} {
	if r == nil {
		return nil
	}
	return *r.changed.Load()
}

// holds tells whether the secret with which a principal came is still good.
func (r *Registry) holds(p *Principal) bool {
	if r == nil {
		return true
	}
	c := (*r.credentials.Load())[p.ID]
	return c != nil && c.match(p.digest, r.now()) != nil
}

func (r *Registry) useOf(id string) *atomic.Int64 {
	if r.uses[id] == nil {
		r.uses[id] = new(atomic.Int64)
	}
	return r.uses[id]
}
