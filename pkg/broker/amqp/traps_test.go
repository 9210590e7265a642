package amqp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rabbitmq/amqp091-go"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/amqp"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// patience bounds the wait for anything that has to happen.
const patience = 30 * time.Second

func receive[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
		panic("not reached")
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func message(key string, n int) broker.Message {
	return broker.Message{ID: fmt.Sprintf("%s-%d", key, n), Key: key, Body: []byte("body")}
}

func publish(t *testing.T, b broker.Broker, messages ...broker.Message) {
	t.Helper()
	if err := b.Publish(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
}

// log notes what is delivered, by key, and acks it.
type log struct {
	mu  sync.Mutex
	ids map[string][]string
	n   int
}

func (l *log) handle(_ context.Context, batch []broker.Delivery) []broker.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids == nil {
		l.ids = make(map[string][]string)
	}
	verdicts := make([]broker.Verdict, len(batch))
	for i, d := range batch {
		l.ids[d.Key] = append(l.ids[d.Key], d.ID)
		verdicts[i] = broker.Ack()
	}
	l.n += len(batch)
	return verdicts
}

func (l *log) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// firsts gives the IDs of a key in the order of their first delivery: a
// repeated one is what a store knows by its write id.
func (l *log) firsts(key string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var firsts []string
	seen := make(map[string]bool)
	for _, id := range l.ids[key] {
		if !seen[id] {
			seen[id] = true
			firsts = append(firsts, id)
		}
	}
	return firsts
}

func counter(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return total
}

// through gives options that reach a shared server by way of a proxy.
func through(t *testing.T) (amqp.Options, *proxy) {
	t.Helper()
	r := testserver.SharedRabbitMQ(t)
	p := newProxy(t, r.Addr())
	o := options(t, r)
	direct := o.Server
	o.Server = func(ctx context.Context) (amqp.Server, error) {
		s, err := direct(ctx)
		s.Addresses = []string{p.addr()}
		return s, err
	}
	return o, p
}

func TestConfirmThatNeverComes(t *testing.T) {
	t.Parallel()
	o, p := through(t)
	o.ConfirmTimeout = 200 * time.Millisecond
	metrics := prometheus.NewRegistry()
	o.Registerer = metrics
	b := open(t, o)
	p.swallowConfirms.Store(true)

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.Publish(short, message("hasty", 0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller with little time got %v", err)
	}
	published := make(chan error, 1)
	go func() { published <- b.Publish(t.Context(), message("k", 0), message("k", 1)) }()
	eventually(t, "the connection is given up", func() bool { return p.connections.Load() > 1 })
	p.swallowConfirms.Store(false)
	if err := receive(t, "it is published on another connection", published); err != nil {
		t.Fatal(err)
	}
	if counter(t, metrics, "trivet_broker_republished_total") < 2 {
		t.Error("nothing was published again")
	}
	var l log
	if _, err := b.Subscribe(l.handle); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are delivered", func() bool { return len(l.firsts("k")) == 2 })
	if got, want := l.firsts("k"), []string{"k-0", "k-1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCloseWhileWaiting(t *testing.T) {
	t.Parallel()
	o, p := through(t)
	b := open(t, o)
	p.swallowConfirms.Store(true)
	const callers = 8
	published := make(chan error, callers)
	for i := range callers {
		go func() { published <- b.Publish(t.Context(), message("k", i)) }()
	}
	eventually(t, "the messages are on the server", func() bool {
		s, err := b.Stats(t.Context())
		return err == nil && s.Ready == callers
	})
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	if err := receive(t, "it closes", closed); err != nil {
		t.Error(err)
	}
	for range callers {
		if err := receive(t, "the callers are told", published); !errors.Is(err, broker.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
}

// TestUndrainedConfirms has more callers than the window holds that do not wait
// for their confirms.
func TestUndrainedConfirms(t *testing.T) {
	t.Parallel()
	o := options(t, testserver.SharedRabbitMQ(t))
	o.Window = 8
	b := open(t, o)
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%40)*100*time.Microsecond)
			defer cancel()
			_ = b.Publish(ctx, message("hasty", i)) // may or may not be made
		})
	}
	wg.Wait()
	all := make([]broker.Message, 50)
	for i := range all {
		all[i] = message("patient", i)
	}
	publish(t, b, all...)
	var l log
	if _, err := b.Subscribe(l.handle); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are delivered", func() bool { return len(l.firsts("patient")) == len(all) })
}

func TestRedeliveryAfterALostConnectionIsInOrder(t *testing.T) {
	t.Parallel()
	o, p := through(t)
	o.Partitions = 1
	b := open(t, o)
	const n = 200 // more than one window
	var all []broker.Message
	var want []string
	for i := range n {
		all = append(all, message("k", i))
		want = append(want, message("k", i).ID)
	}
	publish(t, b, all...)
	var l log
	var cuts atomic.Int64
	if _, err := b.Subscribe(func(ctx context.Context, batch []broker.Delivery) []broker.Verdict {
		verdicts := l.handle(ctx, batch)
		if cuts.Add(1) <= 3 {
			p.cut() // before the verdicts reach the server
		}
		return verdicts
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are settled", func() bool {
		s, err := b.Stats(t.Context())
		return err == nil && s.Ready+s.Unsettled == 0 && len(l.firsts("k")) == n
	})
	if got := l.firsts("k"); !slices.Equal(got, want) {
		t.Errorf("the first deliveries came in the order %v", got)
	}
	if l.count() == n {
		t.Error("nothing was delivered again")
	}
}

func TestBlockedConnection(t *testing.T) {
	t.Parallel()
	r := testserver.NewRabbitMQ(t)
	o := options(t, r)
	o.ConfirmTimeout = 100 * time.Millisecond
	o.AwayTimeout = patience
	metrics := prometheus.NewRegistry()
	o.Registerer = metrics
	b := open(t, o)
	publish(t, b, message("k", 0))
	if err := r.Ctl(t.Context(), "set_vm_memory_high_watermark", "absolute", "1MiB"); err != nil {
		t.Fatal(err)
	}
	// The server says that a connection is blocked once it publishes.
	eventually(t, "the server does not confirm", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return errors.Is(b.Publish(ctx, message("hasty", 0)), context.DeadlineExceeded)
	})
	eventually(t, "it is told as a metric", func() bool { return counter(t, metrics, "trivet_broker_blocked") == 1 })
	published := make(chan error, 1)
	go func() { published <- b.Publish(t.Context(), message("k", 1)) }()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // longer than a confirm may take
	defer cancel()
	if err := b.Publish(ctx, message("hasty", 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the caller's deadline", err)
	}
	if n := counter(t, metrics, "trivet_broker_reconnects_total"); n != 0 {
		t.Errorf("the alarm was taken for %v broken connections", n)
	}
	if err := r.Ctl(t.Context(), "set_vm_memory_high_watermark", "absolute", "1GiB"); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "the alarm's end lets it through", published); err != nil {
		t.Error(err)
	}
	eventually(t, "the metric goes back", func() bool { return counter(t, metrics, "trivet_broker_blocked") == 0 })
}

func TestServerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	r := testserver.NewRabbitMQ(t)
	o := options(t, r)
	o.AwayTimeout = patience
	b := open(t, o)
	opened := time.Now()
	var l log
	if _, err := b.Subscribe(l.handle); err != nil {
		t.Fatal(err)
	}
	const publishers = 8
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var confirmed [publishers]atomic.Int64
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := b.Publish(t.Context(), message(fmt.Sprint(p), i)); err != nil {
					t.Errorf("publish: %v", err)
					return
				}
				confirmed[p].Add(1)
			}
		})
	}
	progress := func(what string) {
		t.Helper()
		var before [publishers]int64
		for p := range publishers {
			before[p] = confirmed[p].Load()
		}
		eventually(t, what, func() bool {
			for p := range publishers {
				if confirmed[p].Load() < before[p]+20 {
					return false
				}
			}
			return true
		})
	}
	progress("messages are confirmed")
	// RabbitMQ writes down half a second later that a quorum queue was made, and
	// forgets one when it is killed before.
	eventually(t, "the server knows its queues for good", func() bool { return time.Since(opened) > time.Second })
	for _, end := range []func(){r.Kill, r.Kill, func() { _ = r.Stop() }} {
		end()
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		progress("publishing goes on when the server is back")
	}
	stop()
	wg.Wait()
	eventually(t, "all are settled", func() bool {
		s, err := b.Stats(t.Context())
		return err == nil && s.Ready+s.Unsettled == 0
	})
	for p := range publishers {
		var want []string
		for i := range int(confirmed[p].Load()) {
			want = append(want, message(fmt.Sprint(p), i).ID)
		}
		if got := l.firsts(fmt.Sprint(p)); !slices.Equal(got, want) {
			t.Errorf("publisher %d: %d messages were confirmed, %d were delivered, or not in order", p, len(want), len(got))
		}
	}
}

func TestAServerThatIsAwayForLongIsToldAtOnce(t *testing.T) {
	t.Parallel()
	o, p := through(t)
	o.AwayTimeout = 100 * time.Millisecond
	b := open(t, o)
	publish(t, b, message("k", 0))
	_ = p.listener.Close()
	p.cut()
	eventually(t, "calls fail", func() bool {
		err := b.Publish(t.Context(), message("k", 1))
		return err != nil && strings.Contains(err.Error(), "RabbitMQ is away")
	})
	begin := time.Now()
	for i := range 50 {
		if err := b.Publish(t.Context(), message("k", i)); err == nil {
			t.Fatal("it was published")
		}
	}
	if took := time.Since(begin); took > o.AwayTimeout {
		t.Errorf("50 calls waited for %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a ping: %v", err)
	}
}

// TestPoisonMessage has a message that ends whatever process handles it: the
// server sets it aside, and none of those around it.
func TestPoisonMessage(t *testing.T) {
	t.Parallel()
	o, p := through(t)
	o.Partitions = 1
	o.DeliveryLimit = 12
	o.Prefetch = 4
	b := open(t, o)
	var want []string
	for i := range 20 {
		m := message(fmt.Sprint(i), 0)
		if i == 3 {
			m.ID = "poison"
		} else {
			want = append(want, m.ID)
		}
		publish(t, b, m)
	}
	var l log
	if _, err := b.Subscribe(func(ctx context.Context, batch []broker.Delivery) []broker.Verdict {
		if slices.ContainsFunc(batch, func(d broker.Delivery) bool { return d.ID == "poison" }) {
			// No verdict of a process that has ended reaches the server.
			n := p.connections.Load()
			p.cut()
			eventually(t, "there is another connection", func() bool { return p.connections.Load() > n })
			return nil
		}
		return l.handle(ctx, batch)
	}); err != nil {
		t.Fatal(err)
	}
	for _, id := range want {
		eventually(t, id+" is handled", func() bool { return slices.Contains(l.firsts(strings.TrimSuffix(id, "-0")), id) })
	}
	var letters []broker.DeadMessage
	eventually(t, "the poison is a dead letter", func() bool {
		letters, _ = b.DeadLetters(t.Context(), 10)
		return len(letters) > 0
	})
	if len(letters) != 1 || letters[0].ID != "poison" || letters[0].Key != "3" || !strings.Contains(letters[0].Reason, "delivered it as often as it may") || letters[0].At.IsZero() {
		t.Errorf("the dead letters are %+v", letters)
	}
}

func TestAForeignMessageIsSetAside(t *testing.T) {
	t.Parallel()
	r := testserver.SharedRabbitMQ(t)
	o := options(t, r)
	b := open(t, o)
	conn, err := amqp091.Dial(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Publish(o.Queue, "0", false, false, amqp091.Publishing{MessageId: "theirs", Body: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	var l log
	if _, err := b.Subscribe(l.handle); err != nil {
		t.Fatal(err)
	}
	var letters []broker.DeadMessage
	eventually(t, "it is a dead letter", func() bool {
		letters, err = b.DeadLetters(t.Context(), 10)
		return err == nil && len(letters) == 1
	})
	if letters[0].ID != "theirs" || string(letters[0].Body) != "hello" || !strings.Contains(letters[0].Reason, "no message of this broker") {
		t.Errorf("%+v", letters[0])
	}
	if l.count() != 0 {
		t.Error("the handler got it")
	}
}

func TestAMessageThatNoQueueTakesIsAnError(t *testing.T) {
	t.Parallel()
	r := testserver.SharedRabbitMQ(t)
	o := options(t, r)
	o.Partitions = 1
	b := open(t, o)
	conn, err := amqp091.Dial(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDelete(o.Queue+".0", false, false, false); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), message("k", 0)); err == nil || !strings.Contains(err.Error(), "no queue on RabbitMQ takes the message") {
		t.Errorf("got %v", err)
	}
	publish(t, b, message("k", 1)) // the queue was made again
	var l log
	if _, err := b.Subscribe(l.handle); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the later one is delivered", func() bool { return slices.Equal(l.firsts("k"), []string{"k-1"}) })
}

func TestAFullQueueRefuses(t *testing.T) {
	t.Parallel()
	o := options(t, testserver.SharedRabbitMQ(t))
	o.Partitions = 1
	o.MaxBytes = 4 << 10
	b := open(t, o)
	large := message("k", 0)
	large.Body = make([]byte, 1<<10)
	eventually(t, "the queue is full", func() bool { return errors.Is(b.Publish(t.Context(), large), broker.ErrFull) })
	var l log
	if _, err := b.Subscribe(l.handle); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it takes messages when there is room again", func() bool { return b.Publish(t.Context(), message("k", 1)) == nil })
}
