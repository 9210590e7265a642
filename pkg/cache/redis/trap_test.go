//go:build unix

package redis_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// heldStore is a database whose reads a test counts and holds up.
type heldStore struct {
	kv.Store
	reads atomic.Int64
	hold  func(ctx context.Context) error // called when a read has its answer
}

func (s *heldStore) Get(ctx context.Context, ns, key string, opts kv.ReadOptions) (kv.Entry, error) {
	s.reads.Add(1)
	e, err := s.Store.Get(ctx, ns, key, opts)
	if s.hold != nil {
		if herr := s.hold(ctx); herr != nil {
			return kv.Entry{}, herr
		}
	}
	return e, err
}

// trapped is two processes on a Redis that they may read, and their database.
func trapped(t *testing.T) (*deployment, *heldStore) {
	t.Helper()
	d := newDeployment(t)
	db := &heldStore{Store: d.db}
	d.db = db
	address := testserver.RedisURL(t)
	d.join(address, patient)
	d.join(address, patient)
	for _, p := range d.procs {
		d.await("the epoch to be read", func() bool { return p.cache.Readable() })
	}
	return d, db
}

func (p *process) get(ctx context.Context) (kv.Entry, error) {
	return p.store.Get(ctx, space, "k", kv.ReadOptions{})
}

func (p *process) put(t *testing.T) kv.Version {
	t.Helper()
	res, err := p.store.Apply(t.Context(), space, kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte("v")}, kv.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Version
}

// sees holds that a process reads a version.
func (p *process) sees(t *testing.T, want kv.Version) {
	t.Helper()
	if e, err := p.get(t.Context()); err != nil || e.Version != want {
		t.Errorf("read version %d from %q, %v; want %d", e.Version, e.Source, err, want)
	}
}

func TestStampede(t *testing.T) {
	t.Parallel()
	d, db := trapped(t)
	if _, err := db.Apply(t.Context(), space, kv.Operation{Kind: kv.KindPut, Key: "k"}, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	goOn := make(chan struct{})
	db.hold = func(context.Context) error { <-goOn; return nil }
	var readers sync.WaitGroup
	for range 200 {
		for _, p := range d.procs {
			readers.Go(func() {
				if e, err := p.get(t.Context()); err != nil || e.Version == 0 {
					t.Errorf("read %+v, %v", e, err)
				}
			})
		}
	}
	d.await("all readers", func() bool { return db.reads.Load()+int64(d.counts("trivet_cache_shared_reads_total")) == 400 })
	if n := db.reads.Load(); n != 2 {
		t.Errorf("%d reads of the database for 400 of a cold key by 2 processes", n)
	}
	close(goOn)
	readers.Wait()
}

func TestStaleSet(t *testing.T) {
	t.Parallel()
	d, db := trapped(t)
	old := d.procs[0].put(t)
	if err := forget(d); err != nil {
		t.Fatal(err)
	}
	has, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	db.hold = func(context.Context) error {
		once.Do(func() { close(has) })
		<-goOn
		return nil
	}
	slow := make(chan kv.Version)
	go func() {
		e, _ := d.procs[0].get(t.Context())
		slow <- e.Version
	}()
	<-has // the slow reader has its answer from the database
	v := d.procs[1].put(t)
	close(goOn)
	if got := <-slow; got != old {
		t.Errorf("the slow reader read version %d", got)
	}
	d.procs[0].sees(t, v)
	d.procs[1].sees(t, v)
}

func TestCancelledLeader(t *testing.T) {
	t.Parallel()
	d, db := trapped(t)
	v := d.procs[0].put(t)
	if err := forget(d); err != nil {
		t.Fatal(err)
	}
	has, goOn := make(chan struct{}, 8), make(chan struct{})
	db.hold = func(ctx context.Context) error {
		has <- struct{}{}
		select {
		case <-goOn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	leader := make(chan error)
	go func() {
		_, err := d.procs[0].get(ctx)
		leader <- err
	}()
	<-has // it has the lease
	followers := make(chan error)
	for _, p := range d.procs {
		go func() {
			e, err := p.get(t.Context())
			if err == nil && e.Version != v {
				err = errors.New("another version")
			}
			followers <- err
		}()
	}
	<-has // the other process reads under the same lease
	cancel()
	if err := <-leader; kv.CodeOf(err) != kv.CodeUnavailable {
		t.Errorf("the leader was answered %v", err)
	}
	close(goOn)
	for range d.procs {
		if err := <-followers; err != nil {
			t.Errorf("a follower was answered %v", err)
		}
	}
	db.hold = nil
	if e, err := d.procs[0].get(t.Context()); err != nil || e.Source != kv.SourceCache {
		t.Errorf("nobody has filled the key: it is read from %q, %v", e.Source, err)
	}
}

func TestNegativeCachingNeverHidesAnInsert(t *testing.T) {
	t.Parallel()
	d, _ := trapped(t)
	for range 2 {
		for _, p := range d.procs {
			if _, err := p.get(t.Context()); !errors.Is(err, kv.ErrNotFound) {
				t.Fatalf("read %v", err)
			}
		}
	}
	v := d.procs[0].put(t)
	d.procs[1].sees(t, v)
	d.procs[0].sees(t, v)
}

func TestATimeToLiveEndsInTheCacheToo(t *testing.T) {
	t.Parallel()
	d, _ := trapped(t)
	op := kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte("v"), TTL: 300 * time.Millisecond}
	res, err := d.procs[0].store.Apply(t.Context(), space, op, kv.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		e, err := d.procs[1].get(t.Context())
		switch {
		case errors.Is(err, kv.ErrNotFound): // on a machine that was busy for so long
		case err != nil || e.Source != kv.SourceCache || e.TTLLeft <= 0 || e.TTLLeft > op.TTL:
			t.Errorf("%s left, from %q, %v", e.TTLLeft, e.Source, err)
		}
	}
	d.await("the end", func() bool {
		_, err := d.procs[1].get(t.Context())
		return errors.Is(err, kv.ErrNotFound)
	})
	if now := time.Now(); now.Before(res.Entry.ExpiresAt.Add(-50 * time.Millisecond)) {
		t.Errorf("it ended %s early", res.Entry.ExpiresAt.Sub(now))
	}
}

// forget drops the key "k" from Redis.
func forget(d *deployment) error {
	return d.procs[0].cache.Forget(context.Background(), keyOf("k"))
}
