package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/trivetkv/trivet/pkg/load"
)

// bareStore is this program serving the embedded store with nothing around it.
type bareStore struct{ trivet }

func (bareStore) name() string { return "bare" }

func (bareStore) start(ctx context.Context, dir string) (*instance, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return startListening(ctx, dir, nil, self, "-bare", dir)
}

// guardedStore is the program with tokens, rates and metrics on.
type guardedStore struct {
	trivet
	token *string // known once it has started
}

func (g guardedStore) start(ctx context.Context, dir string) (*instance, error) {
	in, err := g.startWith(ctx, dir, "TRIVET_AUTH=token", "TRIVET_ROOT_TOKEN="+rootToken,
		"TRIVET_RATE_LIMIT=10000000", "TRIVET_NAMESPACE_RATE_LIMIT=10000000", "TRIVET_MAX_IN_FLIGHT=4096")
	if err != nil {
		return nil, err
	}
	*g.token, err = newToken(ctx, in.url)
	return in, err
}

func (g guardedStore) fill(r *load.Request, key, value func(i int) []byte, n int) {
	g.trivet.fill(r, key, value, n)
	r.Header = appendToken(r.Header, *g.token)
}

// mostOverhead is what authentication, limits and metrics may cost a GET.
const mostOverhead = 0.10

// measureOverhead compares GETs of a server that guards its store with those of
// one that does not.
func measureOverhead(ctx context.Context, b *run) ([]row, error) {
	ours := b.ours.(trivet) //nolint:forcetypeassert // ours is
	guarded, bare := guardedStore{ours, new(string)}, bareStore{ours}
	g, err := b.startFilled(ctx, guarded)
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.stop() }()
	p, err := b.startFilled(ctx, bare)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.stop() }()
	return b.closed(ctx, contest{
		name: "GET with authentication, limits, metrics", connections: 50,
		ours: withToken(ours.get(b.data), *guarded.token), peer: ours.get(b.data),
		least: 1 / (1 + mostOverhead), bodies: valueBytes, anyLatency: true,
	}, &side{name: "guarded", url: g.url, cpu: g.cpu}, &side{name: bare.name(), url: p.url, cpu: p.cpu})
}
