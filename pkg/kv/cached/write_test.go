package cached_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
)

func put(k string) kv.Operation { return kv.Operation{Kind: kv.KindPut, Key: k} }
func del(k string) kv.Operation { return kv.Operation{Kind: kv.KindDelete, Key: k} }
func read(k string) kv.Operation {
	return kv.Operation{Kind: kv.KindGet, Key: k}
}

func wrote(k string, v kv.Version) kv.Result {
	e := stored(k, v)
	return kv.Result{Kind: kv.KindPut, Key: k, Version: v, Entry: &e}
}

func TestAWriteIsAcknowledgedAfterItsFinish(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.set("k", 1)
	b.sees(1, kv.SourceDatabase)
	b.cache.took()
	v := b.mustPut()
	b.wantSteps("begin k", "finish k@2+")
	b.sees(v, kv.SourceCache)
}

func TestADeleteIsFinishedWithoutAnEntry(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.mustPut()
	b.cache.took()
	if _, err := b.Apply(t.Context(), ns, del("k"), kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	b.wantSteps("begin k", "finish k@2")
	_, err := b.get(kv.ReadOptions{})
	b.wantCode(err, kv.CodeNotFound)
}

func TestEveryRefusalFinishesWithoutAChange(t *testing.T) {
	t.Parallel()
	for _, code := range []kv.Code{
		kv.CodeVersionMismatch, kv.CodeAlreadyExists, kv.CodeNotFound, kv.CodeConflict, kv.CodeInvalidArgument, kv.CodeTooLarge,
		kv.CodeQuotaExceeded, kv.CodeIdempotencyMismatch, kv.CodeIdempotencyInProgress, kv.CodeOverloaded, kv.CodeRateLimited,
	} {
		b := newBench(t, cached.Options{})
		b.db.set("k", 1)
		b.db.onApply = func(context.Context, func() (kv.Result, error)) (kv.Result, error) {
			return kv.Result{}, kv.Errorf(code, "refused")
		}
		_, err := b.put()
		b.wantCode(err, code)
		b.wantSteps("begin k", "finish k@0")
		b.sees(1, kv.SourceDatabase)
		b.sees(1, kv.SourceCache)
	}
}

func TestAnUnknownOutcomeNeverFinishes(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{
		kv.Errorf(kv.CodeInternal, "broken"), kv.Errorf(kv.CodeUnavailable, "down"), kv.Errorf(kv.CodeTimeout, "slow"),
		errors.New("connection reset"), context.Canceled, context.DeadlineExceeded, kv.Errorf("a code of tomorrow", "?"),
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, cached.Options{MarkTTL: time.Minute})
			b.db.set("k", 1)
			b.sees(1, kv.SourceDatabase)
			b.cache.took()
			b.db.onApply = func(context.Context, func() (kv.Result, error)) (kv.Result, error) { return kv.Result{}, failure }
			if _, err := b.put(); !errors.Is(err, failure) {
				t.Fatalf("answered %v, want %v", err, failure)
			}
			b.wantSteps("begin k")
			b.sees(1, kv.SourceDatabase) // and fills nothing
			b.db.set("k", 2)             // the write was made after all
			b.sees(2, kv.SourceDatabase)
			time.Sleep(time.Minute)
			b.sees(2, kv.SourceDatabase)
			b.sees(2, kv.SourceCache)
		})
	}
}

func TestAReplayRaisesTheFloorOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.set("k", 9) // later writes followed the one that is replayed
	b.db.onApply = func(context.Context, func() (kv.Result, error)) (kv.Result, error) {
		return kv.Result{Kind: kv.KindPut, Key: "k", Version: 4, Replayed: true}, nil
	}
	if res, err := b.put(); err != nil || !res.Replayed {
		t.Fatalf("answered %+v, %v", res, err)
	}
	b.wantSteps("begin k", "finish k@4")
	b.sees(9, kv.SourceDatabase)
}

func TestAnEntryWithoutItsValueIsNotStored(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.onApply = func(_ context.Context, write func() (kv.Result, error)) (kv.Result, error) {
		res, err := write()
		res.Entry.Value = nil
		return res, err
	}
	v := b.mustPut()
	b.wantSteps("begin k", "finish k@1")
	b.sees(v, kv.SourceDatabase)
}

func TestAWrittenTimeToLiveIsCountedFromBeforeTheWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.onApply = func(_ context.Context, write func() (kv.Result, error)) (kv.Result, error) {
			res, err := write()
			res.Entry.ExpiresAt, res.Entry.TTLLeft = time.Now().Add(time.Minute), time.Minute
			time.Sleep(4 * time.Second)
			return res, err
		}
		res, err := b.put()
		if err != nil || res.Entry.TTLLeft != time.Minute {
			t.Fatalf("answered %+v, %v", res.Entry, err)
		}
		if e, err := b.get(kv.ReadOptions{}); err != nil || e.Source != kv.SourceCache || e.TTLLeft != 56*time.Second {
			t.Fatalf("%s left, from %q, %v", e.TTLLeft, e.Source, err)
		}
	})
}

func TestACallerWhoGoesAfterTheCommitLeavesAFinishedWrite(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	b.db.onApply = func(_ context.Context, write func() (kv.Result, error)) (kv.Result, error) {
		defer cancel()
		return write()
	}
	res, err := b.Apply(ctx, ns, put("k"), kv.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	b.wantSteps("begin k", "finish k@1+")
	b.sees(res.Version, kv.SourceCache)
}

func TestAGetAsAnOperationTakesNoStep(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.onApply = func(context.Context, func() (kv.Result, error)) (kv.Result, error) {
		return kv.Result{}, kv.ErrNotFound
	}
	_, err := b.Apply(t.Context(), ns, read("k"), kv.Identity{})
	b.wantCode(err, kv.CodeNotFound)
	b.wantSteps()
}

func TestABatchFinishesEachKeyOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	ops := []kv.Operation{put("a"), read("r"), put("b"), put("a"), del("c"), put("d"), put("e"), del("e"), put("f")}
	b.db.onBatch = func([]kv.Operation) ([]kv.Result, error) {
		return []kv.Result{
			wrote("a", 1),
			{Kind: kv.KindGet, Key: "r", Version: 77},
			wrote("b", 2),
			wrote("a", 3),
			{Kind: kv.KindDelete, Key: "c", Version: 4},
			{Kind: kv.KindPut, Key: "d", Err: kv.ErrAlreadyExists},
			wrote("e", 5),
			{Kind: kv.KindDelete, Key: "e", Version: 6},
			{Kind: kv.KindPut, Key: "f", Version: 7, Replayed: true},
		}, nil
	}
	if _, err := b.Batch(t.Context(), ns, ops, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	b.wantSteps("begin a b c d e f", "finish a@3+ b@2+ c@4 d@0 e@6 f@7")
}

func TestABatchThatIsRefusedChangedNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.onBatch = func([]kv.Operation) ([]kv.Result, error) {
		return nil, kv.Errorf(kv.CodeIdempotencyMismatch, "another")
	}
	_, err := b.Batch(t.Context(), ns, []kv.Operation{put("a"), put("b")}, kv.Identity{})
	b.wantCode(err, kv.CodeIdempotencyMismatch)
	b.wantSteps("begin a b", "finish a@0 b@0")
}

func TestABatchWithAnUnknownOutcomeNeverFinishes(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.onBatch = func([]kv.Operation) ([]kv.Result, error) { return nil, context.DeadlineExceeded }
	_, err := b.Batch(t.Context(), ns, []kv.Operation{put("a"), put("b")}, kv.Identity{})
	b.wantCode(err, kv.CodeTimeout)
	b.wantSteps("begin a b")
}

func TestAnItemWithAnUnknownOutcomeKeepsItsKeyMarked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{MarkTTL: time.Minute})
		b.db.set("k", 5)
		b.db.onBatch = func([]kv.Operation) ([]kv.Result, error) {
			return []kv.Result{
				wrote("k", 5),
				{Kind: kv.KindPut, Key: "k", Err: kv.Errorf(kv.CodeUnavailable, "down")},
				wrote("other", 6),
			}, nil
		}
		if _, err := b.Batch(t.Context(), ns, []kv.Operation{put("k"), put("k"), put("other")}, kv.Identity{}); err != nil {
			t.Fatal(err)
		}
		b.wantSteps("begin k other", "begin k", "finish k@5+ other@6+")
		b.sees(5, kv.SourceDatabase) // and fills nothing: a later version may come
		b.db.set("k", 7)
		b.sees(7, kv.SourceDatabase)
		if e, err := b.Get(t.Context(), ns, "other", kv.ReadOptions{}); err != nil || e.Source != kv.SourceCache {
			t.Fatalf("the other key: %+v, %v", e, err)
		}
		time.Sleep(time.Minute)
		b.sees(7, kv.SourceDatabase)
		b.sees(7, kv.SourceCache)
	})
}

func TestATransactionMarksTheKeysOfBothBranches(t *testing.T) {
	t.Parallel()
	txn := kv.Txn{
		Compare: []kv.Compare{{Key: "compared", Target: kv.TargetExists, Is: kv.RelationEqual}},
		Success: []kv.Operation{read("r"), put("a"), put("b")},
		Failure: []kv.Operation{del("b"), put("c")},
	}
	for _, tt := range []struct {
		result kv.TxnResult
		err    error
		steps  []string
	}{
		{
			kv.TxnResult{Succeeded: true, Results: []kv.Result{{Kind: kv.KindGet, Key: "r", Version: 9}, wrote("a", 1), wrote("b", 2)}}, nil,
			[]string{"begin a b c", "finish a@1+ b@2+ c@0"},
		},
		{
			kv.TxnResult{Results: []kv.Result{{Kind: kv.KindDelete, Key: "b", Version: 3}, wrote("c", 4)}}, nil,
			[]string{"begin a b c", "finish a@0 b@3 c@4+"},
		},
		{
			kv.TxnResult{Succeeded: true, Replayed: true, Results: []kv.Result{
				{Kind: kv.KindGet, Key: "r"}, {Kind: kv.KindPut, Key: "a", Version: 1, Replayed: true}, {Kind: kv.KindPut, Key: "b", Version: 2, Replayed: true},
			}}, nil,
			[]string{"begin a b c", "finish a@1 b@2 c@0"},
		},
		{kv.TxnResult{}, kv.ErrNotFound, []string{"begin a b c", "finish a@0 b@0 c@0"}},
		{kv.TxnResult{}, context.Canceled, []string{"begin a b c"}},
	} {
		b := newBench(t, cached.Options{})
		b.db.onTxn = func(kv.Txn) (kv.TxnResult, error) { return tt.result, tt.err }
		if _, err := b.Txn(t.Context(), ns, txn, kv.Identity{}); !errors.Is(err, tt.err) {
			t.Fatalf("answered %v, want %v", err, tt.err)
		}
		b.wantSteps(tt.steps...)
	}
}

func TestATransactionOfReadsTakesNoStep(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.onTxn = func(kv.Txn) (kv.TxnResult, error) { return kv.TxnResult{}, nil }
	if _, err := b.Txn(t.Context(), ns, kv.Txn{Success: []kv.Operation{read("a")}}, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	b.wantSteps()
}

func TestAWriteThatIsLateBeginsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{MarkTTL: 10 * time.Second})
		delays := []time.Duration{6 * time.Second, 5 * time.Second, time.Second}
		b.cache.slow = func(step string) {
			if step == "begin" {
				time.Sleep(delays[0])
				delays = delays[1:]
			}
		}
		b.mustPut()
		b.wantSteps("begin k", "begin k", "begin k", "finish k@1+")
	})
}

func TestAWriteThatStaysLateEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{MarkTTL: 10 * time.Second})
		b.cache.slow = func(string) { time.Sleep(6 * time.Second) }
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := b.Apply(ctx, ns, put("k"), kv.Identity{})
		b.wantCode(err, kv.CodeTimeout)
		if b.db.writes != 0 {
			t.Errorf("%d writes were made", b.db.writes)
		}
	})
}

func TestABeginThatFailsFailsTheWriteBeforeItsCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.cache.fail["begin"] = errors.New("gone")
	_, err := b.put()
	b.wantCode(err, kv.CodeUnavailable)
	_, err = b.Batch(t.Context(), ns, []kv.Operation{put("a")}, kv.Identity{})
	b.wantCode(err, kv.CodeUnavailable)
	_, err = b.Txn(t.Context(), ns, kv.Txn{Success: []kv.Operation{put("a")}}, kv.Identity{})
	b.wantCode(err, kv.CodeUnavailable)
	if b.db.writes != 0 {
		t.Errorf("%d writes were made", b.db.writes)
	}
}

func TestAFinishThatFailsIsNoAcknowledgement(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.cache.fail["finish"] = errors.New("gone")
	_, err := b.put()
	b.wantCode(err, kv.CodeUnavailable)
	delete(b.cache.fail, "finish")
	// Repeated, it is acknowledged, and readers see it.
	v := b.mustPut()
	b.sees(v, kv.SourceDatabase)
}

func TestAFinishThatFailsDoesNotChangeARefusal(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.cache.fail["finish"] = errors.New("gone")
	b.db.onApply = func(context.Context, func() (kv.Result, error)) (kv.Result, error) {
		return kv.Result{}, kv.ErrVersionMismatch
	}
	_, err := b.put()
	b.wantCode(err, kv.CodeVersionMismatch)
}

func TestALossThatIsDealtWithLetsWritesGoOn(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"begin", "finish"} {
		cause := errors.New("gone")
		var told []error
		b := newBench(t, cached.Options{OnLoss: func(_ context.Context, err error) error {
			told = append(told, err)
			return nil
		}})
		b.cache.fail[step] = cause
		if v := b.mustPut(); v != 1 {
			t.Errorf("%s: wrote version %d", step, v)
		}
		if len(told) != 1 || !errors.Is(told[0], cause) {
			t.Errorf("%s: told of %v", step, told)
		}
	}
}

func TestAStepThatCouldNotBeMadeIsNoLoss(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"begin", "finish"} {
		losses := 0
		b := newBench(t, cached.Options{OnLoss: func(context.Context, error) error { losses++; return nil }})
		b.cache.fail[step] = fmt.Errorf("%w: the database is away", cache.ErrUnknown)
		_, err := b.put()
		b.wantCode(err, kv.CodeUnavailable)
		if losses != 0 {
			t.Errorf("%s: the cache was given up", step)
		}
	}
}

func TestALossThatCannotBeDealtWithFailsTheWrite(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"begin", "finish"} {
		b := newBench(t, cached.Options{OnLoss: func(context.Context, error) error { return errors.New("no epoch") }})
		b.cache.fail[step] = errors.New("gone")
		_, err := b.put()
		b.wantCode(err, kv.CodeUnavailable)
	}
}

func TestACallerWhoGoesDuringBeginIsNoLoss(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, cached.Options{OnLoss: func(context.Context, error) error {
		t.Error("told of a loss")
		return nil
	}})
	b.cache.fail["begin"] = context.Canceled
	cancel()
	_, err := b.Apply(ctx, ns, put("k"), kv.Identity{})
	b.wantCode(err, kv.CodeUnavailable)
	if b.db.writes != 0 {
		t.Errorf("%d writes were made", b.db.writes)
	}
}
