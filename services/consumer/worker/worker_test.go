package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/deferred"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/services/consumer/worker"
)

const ns = "orders"

// clock is a time that only moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a store behind its cache and a broker, as a worker has them.
type world struct {
	clock      *clock
	store      kv.Store
	maintainer kv.Maintainer
	broker     broker.Broker
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: &clock{now: time.Now()}}
	store, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem(), Now: w.clock.Now, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	c, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.store, w.maintainer = cached.New(store, c, cached.Options{}), store
	b, err := jetstream.Open(t.TempDir(), jetstream.Options{RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	w.broker = b
	return w
}

// start runs a worker on the world until the test ends.
func (w *world) start(t *testing.T, change func(*worker.Options)) *worker.Worker {
	t.Helper()
	o := worker.Options{
		Store: w.store, Broker: w.broker, Now: w.clock.Now,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&o)
	}
	wk, err := worker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := wk.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopWorker(t, wk) })
	return wk
}

func stopWorker(t *testing.T, wk *worker.Worker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := wk.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// accept does what the API does with an asynchronous write.
func (w *world) accept(t *testing.T, op kv.Operation) kv.WriteID {
	t.Helper()
	id := kv.Identity{ID: kv.NewWriteID(time.Now()), Deferred: true}
	w.publish(t, deferred.Write{Namespace: ns, Operation: op, Identity: id, AcceptedAt: w.clock.Now()})
	return id.ID
}

func (w *world) publish(t *testing.T, write deferred.Write) {
	t.Helper()
	w.send(t, broker.Message{
		ID: write.Identity.ID.String(), Key: write.Namespace + "\x00" + write.Operation.Key, Body: write.Encode(),
	})
}

func (w *world) send(t *testing.T, m broker.Message) {
	t.Helper()
	if err := w.broker.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// settle waits until every message has its verdict.
func (w *world) settle(t *testing.T) {
	t.Helper()
	eventually(t, "every message has its verdict", func() bool {
		st, err := w.broker.Stats(t.Context())
		return err == nil && st.Ready == 0 && st.Unsettled == 0
	})
}

func (w *world) dead(t *testing.T) []broker.DeadMessage {
	t.Helper()
	letters, err := w.broker.DeadLetters(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func (w *world) record(t *testing.T, id kv.WriteID) kv.Record {
	t.Helper()
	rec, err := w.store.Record(t.Context(), id)
	if err != nil {
		t.Fatalf("record of %s: %v", id, err)
	}
	return rec
}

func (w *world) value(t *testing.T, key string) string {
	t.Helper()
	e, err := w.store.Get(t.Context(), ns, key, kv.ReadOptions{})
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return string(e.Value)
}

func (w *world) changes(t *testing.T) []kv.Change {
	t.Helper()
	page, err := w.store.Changes(t.Context(), ns, kv.ChangeQuery{Limit: 1000, Values: true})
	if err != nil {
		t.Fatal(err)
	}
	return page.Changes
}

func put(key, value string) kv.Operation {
	return kv.Operation{Kind: kv.KindPut, Key: key, Value: []byte(value)}
}

const patience = 30 * time.Second

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// applyFunc is a store whose Apply is another one.
type applyFunc struct {
	kv.Store
	apply func(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error)
}

func (s applyFunc) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	return s.apply(ctx, ns, op, id)
}

func TestAStoreIsRequired(t *testing.T) {
	if _, err := worker.New(worker.Options{}); err == nil {
		t.Error("a worker was made without a store")
	}
}

func TestStopToleratesAnyOrder(t *testing.T) {
	w := newWorld(t)
	wk, err := worker.New(worker.Options{Store: w.store, Broker: w.broker, Maintainer: w.maintainer})
	if err != nil {
		t.Fatal(err)
	}
	stopWorker(t, wk) // before Start
	if err := wk.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopWorker(t, wk)
	stopWorker(t, wk)
}

func TestAWorkerWithNothingToDo(t *testing.T) {
	w := newWorld(t)
	wk := w.start(t, func(o *worker.Options) { o.Broker = nil })
	if err := wk.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAStartThatFailsStopsWhatHasStarted(t *testing.T) {
	w := newWorld(t)
	w.start(t, nil) // has the broker's subscription
	second, err := worker.New(worker.Options{Store: w.store, Broker: w.broker, Maintainer: w.maintainer})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); !errors.Is(err, broker.ErrSubscribed) {
		t.Errorf("got %v, want ErrSubscribed", err)
	}
	stopWorker(t, second)
}

// Stop lets the writes under way be made and acknowledged.
func TestStopDrains(t *testing.T) {
	w := newWorld(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	wk := w.start(t, func(o *worker.Options) {
		o.Store = applyFunc{w.store, func(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
			once.Do(func() { close(entered); <-leave })
			if err := ctx.Err(); err != nil {
				return kv.Result{}, err
			}
			return w.store.Apply(ctx, ns, op, id)
		}}
	})
	w.accept(t, put("k", "v"))
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- wk.Stop(t.Context()) }()
	select {
	case err := <-stopped:
		t.Fatalf("it stopped (%v) while a write was under way", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(leave)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if got := w.value(t, "k"); got != "v" {
		t.Errorf("the write under way left %q", got)
	}
	if st, err := w.broker.Stats(t.Context()); err != nil || st.Ready+st.Unsettled != 0 {
		t.Errorf("it was not acknowledged: %+v, %v", st, err)
	}
}

func TestMessagesThatWaitedAreAppliedAtTheStart(t *testing.T) {
	w := newWorld(t)
	for i := range 600 {
		w.accept(t, put(fmt.Sprint("k", i%7), fmt.Sprint(i)))
	}
	w.start(t, nil)
	w.settle(t)
	for i := 593; i < 600; i++ {
		if got := w.value(t, fmt.Sprint("k", i%7)); got != fmt.Sprint(i) {
			t.Errorf("key k%d has %s, want the last value, %d", i%7, got, i)
		}
	}
}
