package cached_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
)

// groupingStore commits the puts that a test hands it in one group.
type groupingStore struct {
	*fakeStore
	around  kv.Bracket
	commits int
	fail    map[string]error // of keys
}

func (s *groupingStore) Bracket(around kv.Bracket) { s.around = around }

func (s *groupingStore) PutGrouped(_ context.Context, ns string, op kv.Operation, _ kv.Identity) (kv.Result, bool, error) {
	if op.Kind != kv.KindPut {
		return kv.Result{}, false, nil
	}
	p := s.group(ns, op)[0]
	return p.Result, true, p.Err
}

// group commits puts together.
func (s *groupingStore) group(ns string, ops ...kv.Operation) []*kv.GroupedPut {
	puts := make([]*kv.GroupedPut, len(ops))
	for i := range ops {
		puts[i] = &kv.GroupedPut{Namespace: ns, Op: &ops[i]}
	}
	s.around(puts, func() {
		s.commits++
		for _, p := range puts {
			if p.Err = s.fail[p.Op.Key]; p.Err == nil {
				p.Result, p.Err = s.Apply(context.Background(), ns, *p.Op, kv.Identity{})
			}
		}
	})
	return puts
}

// newGroupBench is a bench whose store commits puts in groups.
func newGroupBench(t *testing.T, opts cached.Options) (*bench, *groupingStore) {
	t.Helper()
	m, err := memory.New(memory.Options{Now: opts.Now})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, db: newFakeStore(), memory: m, cache: &tracedCache{Cache: m, fail: map[string]error{}}}
	s := &groupingStore{fakeStore: b.db, fail: map[string]error{}}
	b.Store = cached.New(s, b.cache, opts)
	return b, s
}

// seesAt reads a key and holds the version and who answered.
func (b *bench) seesAt(k string, want kv.Version, source kv.Source) {
	b.t.Helper()
	if e, err := b.Get(b.t.Context(), ns, k, kv.ReadOptions{}); err != nil || e.Version != want || e.Source != source {
		b.t.Fatalf("read version %d of %s from %q, %v; want %d from %q", e.Version, k, e.Source, err, want, source)
	}
}

func TestAGroupOfPutsIsOneBeginAndOneFinish(t *testing.T) {
	t.Parallel()
	b, s := newGroupBench(t, cached.Options{})
	b.db.set("a", 1)
	b.seesAt("a", 1, kv.SourceDatabase)
	b.cache.took()
	for _, p := range s.group(ns, put("a"), put("b"), put("c")) {
		if p.Err != nil {
			t.Fatal(p.Err)
		}
	}
	b.wantSteps("begin a b c", "finish a@2+ b@1+ c@1+")
	b.seesAt("a", 2, kv.SourceCache)
	b.seesAt("c", 1, kv.SourceCache)
}

func TestWhatIsNotGroupedTakesItsStepsAlone(t *testing.T) {
	t.Parallel()
	b, s := newGroupBench(t, cached.Options{})
	b.mustPut()
	if s.commits != 1 {
		t.Fatalf("a put was committed in %d groups, want 1", s.commits)
	}
	if _, err := b.Apply(t.Context(), ns, del("k"), kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	b.wantSteps("begin k", "finish k@1+", "begin k", "finish k@2")
	if s.commits != 1 {
		t.Fatal("a delete was committed in a group")
	}
}

func TestAnUnknownOutcomeInAGroupKeepsItsKeyMarkedAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, s := newGroupBench(t, cached.Options{MarkTTL: time.Minute})
		s.fail["b"] = kv.Errorf(kv.CodeUnavailable, "lost")
		s.fail["c"] = kv.Errorf(kv.CodeInvalidArgument, "refused")
		b.db.set("b", 1)
		b.db.set("c", 1)
		puts := s.group(ns, put("a"), put("b"), put("c"))
		b.wantCode(puts[0].Err, "")
		b.wantCode(puts[1].Err, kv.CodeUnavailable)
		b.wantCode(puts[2].Err, kv.CodeInvalidArgument)
		b.wantSteps("begin a b c", "finish a@1+ c@0")
		b.seesAt("a", 1, kv.SourceCache)
		b.seesAt("b", 1, kv.SourceDatabase)
		b.db.set("b", 2) // the write was made after all
		b.seesAt("b", 2, kv.SourceDatabase)
		b.seesAt("c", 1, kv.SourceDatabase)
		b.seesAt("c", 1, kv.SourceCache)
		time.Sleep(time.Minute)
		b.seesAt("b", 2, kv.SourceDatabase)
		b.seesAt("b", 2, kv.SourceCache)
	})
}

func TestAGroupWithoutAKnownOutcomeNeverFinishes(t *testing.T) {
	t.Parallel()
	b, s := newGroupBench(t, cached.Options{})
	s.fail["a"], s.fail["b"] = errors.New("connection reset"), errors.New("connection reset")
	s.group(ns, put("a"), put("b"))
	b.wantSteps("begin a b")
}

func TestABeginThatFailsCommitsNothingOfTheGroup(t *testing.T) {
	t.Parallel()
	b, s := newGroupBench(t, cached.Options{})
	b.cache.fail["begin"] = errors.New("gone")
	for _, p := range s.group(ns, put("a"), put("b")) {
		b.wantCode(p.Err, kv.CodeUnavailable)
	}
	if s.commits != 0 {
		t.Fatal("the group was committed")
	}
}

func TestALossThatIsDealtWithLetsAGroupGoOn(t *testing.T) {
	t.Parallel()
	losses := 0
	b, s := newGroupBench(t, cached.Options{OnLoss: func(context.Context, error) error { losses++; return nil }})
	b.cache.fail["begin"], b.cache.fail["finish"] = errors.New("gone"), errors.New("gone")
	for _, p := range s.group(ns, put("a"), put("b")) {
		b.wantCode(p.Err, "")
	}
	if losses != 2 || s.commits != 1 {
		t.Fatalf("%d losses were told of and %d groups committed, want 2 and 1", losses, s.commits)
	}
}

func TestAFinishThatFailsAcknowledgesNothingOfTheGroup(t *testing.T) {
	t.Parallel()
	b, s := newGroupBench(t, cached.Options{})
	b.cache.fail["finish"] = errors.New("gone")
	s.fail["b"] = kv.Errorf(kv.CodeInvalidArgument, "refused")
	puts := s.group(ns, put("a"), put("b"))
	b.wantCode(puts[0].Err, kv.CodeUnavailable)
	b.wantCode(puts[1].Err, kv.CodeInvalidArgument) // which changed nothing, whatever became of the step
	if puts[0].Result.Entry != nil {
		t.Error("a put that is not confirmed has a result")
	}
}

func TestAGroupThatIsLateBeginsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, s := newGroupBench(t, cached.Options{MarkTTL: time.Minute})
		late := true
		b.cache.slow = func(step string) {
			if step == "begin" && late {
				late = false
				time.Sleep(40 * time.Second)
			}
		}
		s.group(ns, put("a"), put("b"))
		b.wantSteps("begin a b", "begin a b", "finish a@1+ b@1+")
	})
}

func TestAGroupIsForgottenByTheProcess(t *testing.T) {
	t.Parallel()
	b, s := newGroupBench(t, cached.Options{ProcessBytes: 1 << 20})
	recent := kv.ReadOptions{Consistency: kv.Local, MaxAge: time.Minute}
	for _, k := range []string{"a", "b"} {
		b.db.set(k, 1)
		for range 2 {
			if _, err := b.Get(t.Context(), ns, k, recent); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.fail["b"] = kv.Errorf(kv.CodeUnavailable, "lost")
	s.group(ns, put("a"), put("b"))
	for _, k := range []string{"a", "b"} {
		if e, err := b.Get(t.Context(), ns, k, recent); err != nil || e.Source == kv.SourceProcess {
			t.Errorf("%s was read from %q, %v", k, e.Source, err)
		}
	}
}

// TestOneMarkServesManyKeys has two groups at once on the same keys: neither
// stores what the other may have replaced.
func TestOneMarkServesManyKeys(t *testing.T) {
	t.Parallel()
	b, s := newGroupBench(t, cached.Options{})
	keys := []kv.Operation{put("a"), put("b")}
	inner := false
	outer := make([]*kv.GroupedPut, len(keys))
	for i := range keys {
		outer[i] = &kv.GroupedPut{Namespace: ns, Op: &keys[i]}
	}
	s.around(outer, func() {
		for _, p := range outer {
			p.Result, p.Err = s.Apply(context.Background(), ns, *p.Op, kv.Identity{})
		}
		s.group(ns, put("a"), put("b"))
		inner = true
		for _, k := range []string{"a", "b"} {
			if found, err := b.memory.Read(t.Context(), cache.Key{Namespace: ns, Key: k}); err != nil || found.Found {
				t.Errorf("%s is in the cache while it is being written: %+v, %v", k, found, err)
			}
		}
	})
	if !inner {
		t.Fatal("the group was not committed")
	}
	for _, k := range []string{"a", "b"} {
		b.seesAt(k, 2, kv.SourceDatabase)
		b.seesAt(k, 2, kv.SourceCache)
	}
	b.wantSteps("begin a b", "begin a b", "finish a@2+ b@2+", fmt.Sprintf("finish a@%d+ b@%d+", 1, 1),
		"read a", "fill a@2", "read a", "read b", "fill b@2", "read b")
}
