package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/deferred"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/consumer/worker"
)

func TestWritesOfAKeyAreAppliedInOrder(t *testing.T) {
	w := newWorld(t)
	want := make(map[string][]string)
	w.start(t, nil)
	for i := range 40 {
		for k := range 5 {
			key, value := fmt.Sprint("k", k), fmt.Sprint(i)
			w.accept(t, put(key, value))
			want[key] = append(want[key], value)
		}
	}
	w.settle(t)
	got := make(map[string][]string)
	for _, c := range w.changes(t) {
		got[c.Key] = append(got[c.Key], string(c.Value))
	}
	for key := range want {
		if fmt.Sprint(got[key]) != fmt.Sprint(want[key]) {
			t.Errorf("key %s went through %v, want %v", key, got[key], want[key])
		}
	}
}

// forgetful loses the first verdicts, as when the process is killed between a
// write and its acknowledgement.
type forgetful struct {
	broker.Broker
	loses func(batch []broker.Delivery) bool
}

func (f forgetful) Subscribe(h broker.Handler) (broker.Subscription, error) {
	return f.Broker.Subscribe(func(ctx context.Context, batch []broker.Delivery) []broker.Verdict {
		verdicts := h(ctx, batch)
		if f.loses(batch) {
			return nil
		}
		return verdicts
	})
}

func TestARedeliveredWriteIsAppliedOnce(t *testing.T) {
	w := newWorld(t)
	w.broker = forgetful{w.broker, func(batch []broker.Delivery) bool { return batch[0].Attempt <= 2 }}
	const n = 50
	var ids []kv.WriteID
	for range n {
		ids = append(ids, w.accept(t, kv.Operation{Kind: kv.KindIncrement, Key: "counter", By: 1}))
	}
	ids = append(ids, w.accept(t, kv.Operation{Kind: kv.KindPut, Key: "new", Value: []byte("1"), If: kv.Condition{Absent: true}}))
	w.start(t, nil)
	w.settle(t)
	if got := w.value(t, "counter"); got != fmt.Sprint(n) {
		t.Errorf("the counter is %s after %d increments of 1", got, n)
	}
	if got := len(w.changes(t)); got != n+1 {
		t.Errorf("there are %d changes, want one for each of %d writes", got, n+1)
	}
	for _, id := range ids {
		if rec := w.record(t, id); rec.State != kv.RecordApplied {
			t.Errorf("a write's state is %s, want applied: its own redelivery must not refuse it", rec.State)
		}
	}
}

func TestAWriteThatWasQueuedTwiceIsAppliedOnce(t *testing.T) {
	w := newWorld(t)
	write := deferred.Write{
		Namespace: ns, Operation: kv.Operation{Kind: kv.KindIncrement, Key: "n", By: 3},
		Identity: kv.Identity{ID: kv.DeriveWriteID("caller", ns, "key"), Deferred: true}, AcceptedAt: w.clock.Now(),
	}
	if _, err := w.store.Claim(t.Context(), ns, write.Identity); err != nil {
		t.Fatal(err)
	}
	if rec := w.record(t, write.Identity.ID); rec.State != kv.RecordPending {
		t.Errorf("a claimed write's state is %s", rec.State)
	}
	w.publish(t, write)
	w.publish(t, write)
	w.start(t, nil)
	w.settle(t)
	rec := w.record(t, write.Identity.ID)
	if rec.State != kv.RecordApplied || rec.Result.Version == 0 || rec.Result.Number != 3 {
		t.Errorf("its record is %+v", rec)
	}
	if got := w.value(t, "n"); got != "3" {
		t.Errorf("the value is %s, want 3", got)
	}
}

func TestARefusedWriteIsRecordedAndDoesNotComeAgain(t *testing.T) {
	w := newWorld(t)
	first := w.accept(t, put("k", "first"))
	refused := map[kv.Code]kv.WriteID{
		kv.CodeAlreadyExists:   w.accept(t, kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte("second"), If: kv.Condition{Absent: true}}),
		kv.CodeVersionMismatch: w.accept(t, kv.Operation{Kind: kv.KindDelete, Key: "k", If: kv.Condition{Versions: []kv.Version{7}}}),
		kv.CodeNotFound:        w.accept(t, kv.Operation{Kind: kv.KindDelete, Key: "absent"}),
		kv.CodeConflict:        w.accept(t, kv.Operation{Kind: kv.KindIncrement, Key: "k", By: 1}),
	}
	later := w.accept(t, put("k", "last"))
	w.start(t, nil)
	w.settle(t)
	for code, id := range refused {
		if rec := w.record(t, id); rec.State != kv.RecordRejected || rec.Result.Err == nil || rec.Result.Err.Code != code {
			t.Errorf("the record of a write refused with %s is %+v", code, rec)
		}
	}
	for _, id := range []kv.WriteID{first, later} {
		if rec := w.record(t, id); rec.State != kv.RecordApplied {
			t.Errorf("a write beside the refused ones is %s", rec.State)
		}
	}
	if letters := w.dead(t); len(letters) != 0 {
		t.Errorf("a refusal became a dead letter: %s", letters[0].Reason)
	}
}

func TestWhatCanNeverBeAppliedIsADeadLetter(t *testing.T) {
	w := newWorld(t)
	valid := deferred.Write{
		Namespace: ns, Operation: put("k", "v"), AcceptedAt: w.clock.Now(),
		Identity: kv.Identity{ID: kv.NewWriteID(w.clock.Now()), Deferred: true},
	}
	changed := func(change func(*deferred.Write)) []byte {
		other := valid
		other.Identity.ID = kv.NewWriteID(w.clock.Now())
		change(&other)
		return other.Encode()
	}
	taken := kv.Identity{ID: kv.DeriveWriteID("caller", ns, "taken"), Deferred: true}
	if _, err := w.store.Claim(t.Context(), ns, taken); err != nil {
		t.Fatal(err)
	}
	bodies := []struct {
		reason string
		body   []byte
	}{
		{"decode a deferred write of 0 bytes: it is cut off", nil},
		{"unknown format", []byte("garbage")},
		{"the checksum does not match", append(valid.Encode(), 0)},
		{"namespace", changed(func(d *deferred.Write) { d.Namespace = "_tokens" })},
		{"the key is empty", changed(func(d *deferred.Write) { d.Operation.Key = "" })},
		{"metadata", changed(func(d *deferred.Write) { d.Operation.Meta = map[string]string{"UPPER": ""} })},
		{"unknown operation", changed(func(d *deferred.Write) { d.Operation = kv.Operation{Kind: 99, Key: "k"} })},
		{"a get is no write", changed(func(d *deferred.Write) { d.Operation = kv.Operation{Kind: kv.KindGet, Key: "k"} })},
		{"the write has no id", changed(func(d *deferred.Write) { d.Identity.ID = kv.WriteID{} })},
		{"idempotency_mismatch", changed(func(d *deferred.Write) { d.Identity = taken; d.Identity.Hash[0] = 1 })},
	}
	for i, b := range bodies {
		w.send(t, broker.Message{ID: fmt.Sprint(i), Key: ns + "\x00k", Body: b.body})
	}
	w.publish(t, valid)
	w.start(t, nil)
	w.settle(t)
	letters := w.dead(t)
	if len(letters) != len(bodies) {
		t.Fatalf("there are %d dead letters, want %d", len(letters), len(bodies))
	}
	for i, b := range bodies {
		if !strings.Contains(letters[i].Reason, b.reason) {
			t.Errorf("the reason is %q, want %q in it", letters[i].Reason, b.reason)
		}
	}
	if got := w.value(t, "k"); got != "v" {
		t.Errorf("the write behind them left %q", got)
	}
}

// While the store does not answer, nothing is lost, nothing is set aside, and
// the health check says so.
func TestAnOutageOfTheStore(t *testing.T) {
	for _, failure := range []error{
		kv.Errorf(kv.CodeUnavailable, "the database does not answer"),
		kv.Errorf(kv.CodeOverloaded, "too much to do"),
		kv.Errorf(kv.CodeTimeout, "too slow"),
		kv.Errorf(kv.CodeInternal, "something broke"),
		context.DeadlineExceeded,
		errors.New("an error without a code"),
	} {
		t.Run(string(kv.CodeOf(failure)), func(t *testing.T) {
			w := newWorld(t)
			var down atomic.Bool
			var attempts atomic.Int64
			down.Store(true)
			wk := w.start(t, func(o *worker.Options) {
				o.Store = applyFunc{w.store, func(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
					if attempts.Add(1); down.Load() {
						return kv.Result{}, failure
					}
					return w.store.Apply(ctx, ns, op, id)
				}}
			})
			for i := range 20 {
				w.accept(t, kv.Operation{Kind: kv.KindIncrement, Key: fmt.Sprint("k", i%4), By: 1})
			}
			eventually(t, "it was tried again and again", func() bool { return attempts.Load() > 30 })
			if err := wk.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "applying asynchronous writes") {
				t.Errorf("the health check says %v", err)
			}
			down.Store(false)
			w.settle(t)
			for k := range 4 {
				if got := w.value(t, fmt.Sprint("k", k)); got != "5" {
					t.Errorf("key k%d is %s, want 5", k, got)
				}
			}
			if letters := w.dead(t); len(letters) != 0 {
				t.Errorf("%d writes were set aside in the outage", len(letters))
			}
			eventually(t, "the health check is content again", func() bool { return wk.Check(t.Context()) == nil })
		})
	}
}

// A failure half-way through a key's writes holds up the rest of that key, and
// no other.
func TestAFailureHoldsUpItsKeyOnly(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	failures := map[string]int{}
	w.start(t, func(o *worker.Options) {
		o.Store = applyFunc{w.store, func(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
			mu.Lock()
			value := string(op.Value)
			failures[value]++
			failed := op.Key == "a" && value == "1" && failures[value] <= 3
			mu.Unlock()
			if failed {
				return kv.Result{}, kv.Errorf(kv.CodeInternal, "something broke")
			}
			return w.store.Apply(ctx, ns, op, id)
		}}
	})
	for i := range 4 {
		w.accept(t, put("a", fmt.Sprint(i)))
		w.accept(t, put("b", fmt.Sprint(10+i)))
	}
	w.settle(t)
	var a, b []string
	for _, c := range w.changes(t) {
		if c.Key == "a" {
			a = append(a, string(c.Value))
		} else {
			b = append(b, string(c.Value))
		}
	}
	if fmt.Sprint(a, b) != "[0 1 2 3] [10 11 12 13]" {
		t.Errorf("the keys went through %v and %v", a, b)
	}
}

func TestAWriteOnWhichTheStorePanicsIsSetAside(t *testing.T) {
	w := newWorld(t)
	w.start(t, func(o *worker.Options) {
		o.Store = applyFunc{w.store, func(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
			if op.Key == "poison" {
				panic("a bug")
			}
			return w.store.Apply(ctx, ns, op, id)
		}}
	})
	for i := range 10 {
		w.accept(t, put(fmt.Sprint("k", i), "v"))
		if i == 5 {
			w.accept(t, put("poison", "v"))
		}
	}
	w.settle(t)
	if letters := w.dead(t); len(letters) != 1 || letters[0].Key != ns+"\x00poison" || !strings.Contains(letters[0].Reason, "a bug") {
		t.Errorf("the dead letters are %+v", letters)
	}
	if got := len(w.changes(t)); got != 10 {
		t.Errorf("%d of the 10 other writes were applied", got)
	}
}

// Different keys are written at once, so that the store commits them together;
// one key never is.
func TestKeysAreWrittenConcurrently(t *testing.T) {
	w := newWorld(t)
	const keys = 8
	var mu sync.Mutex
	running := map[string]bool{}
	all := make(chan struct{})
	var once sync.Once
	for i := range 3 * keys {
		w.accept(t, put(fmt.Sprint("k", i%keys), fmt.Sprint(i)))
	}
	w.start(t, func(o *worker.Options) {
		o.Concurrency = keys
		o.Store = applyFunc{w.store, func(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
			mu.Lock()
			if running[op.Key] {
				t.Errorf("two writes of %s are under way", op.Key)
			}
			if running[op.Key] = true; len(running) == keys {
				once.Do(func() { close(all) })
			}
			mu.Unlock()
			<-all // none goes on before each key is there
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				delete(running, op.Key)
			}()
			return w.store.Apply(ctx, ns, op, id)
		}}
	})
	w.settle(t)
}

func TestMetricsCountWhatBecameOfWrites(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	w.broker = forgetful{w.broker, func(batch []broker.Delivery) bool { return batch[0].Attempt == 1 && len(batch) == 1 }}
	w.start(t, func(o *worker.Options) { o.Registerer = registry; o.Maintainer = w.maintainer })
	w.accept(t, put("k", "v"))
	w.settle(t)
	w.accept(t, kv.Operation{Kind: kv.KindDelete, Key: "absent"})
	w.settle(t)
	w.send(t, broker.Message{ID: "garbage"})
	w.settle(t)
	want := `
# HELP trivet_consumer_writes_total Deliveries of asynchronous writes by what became of them.
# TYPE trivet_consumer_writes_total counter
trivet_consumer_writes_total{outcome="applied"} 1
trivet_consumer_writes_total{outcome="dead"} 2
trivet_consumer_writes_total{outcome="rejected"} 1
trivet_consumer_writes_total{outcome="replayed"} 2
trivet_consumer_writes_total{outcome="retried"} 0
# HELP trivet_consumer_lag_seconds Age of the oldest asynchronous write that has no verdict.
# TYPE trivet_consumer_lag_seconds gauge
trivet_consumer_lag_seconds 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "trivet_consumer_writes_total", "trivet_consumer_lag_seconds"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("the metrics are not well named: %v %v", problems, err)
	}
}
