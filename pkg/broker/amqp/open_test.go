package amqp_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/amqp"
	"github.com/trivetkv/trivet/pkg/testserver"
)

func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	t.Parallel()
	o := options(t, testserver.SharedRabbitMQ(t))
	o.Partitions = 4
	open(t, o)
	for _, declare := range []bool{true, false} {
		o.Declare = declare
		for _, n := range []int{3, 5} {
			o.Partitions = n
			_, err := amqp.Open(t.Context(), o)
			if want := fmt.Sprintf("has 4 partitions on the server, and %d are asked for", n); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("declare %v, %d partitions: %v", declare, n, err)
			}
		}
	}
	o.Partitions = 4
	open(t, o)
	o.Partitions = amqp.MaxPartitions + 1
	if _, err := amqp.Open(t.Context(), o); err == nil {
		t.Error("it takes any number of partitions")
	}
}

func TestQueuesAreMadeOnlyWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	o := options(t, testserver.SharedRabbitMQ(t))
	o.Declare = false
	_, err := amqp.Open(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), o.Queue+".partitions") || !strings.Contains(err.Error(), "making queues is not allowed") {
		t.Fatalf("got %v", err)
	}
	o.Declare = true
	open(t, o)
	o.Declare = false
	publish(t, open(t, o), message("k", 0))

	o.Declare, o.Classic = true, true
	if _, err := amqp.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "other settings") || !strings.Contains(err.Error(), "x-queue-type") {
		t.Errorf("queues of another type: %v", err)
	}
}

func TestWhatKeepsItFromOpeningIsTold(t *testing.T) {
	t.Parallel()
	r := testserver.NewRabbitMQ(t)
	made := options(t, r)
	open(t, made)
	for _, args := range [][]string{
		{"add_user", "reader", "secret"},
		{"set_permissions", "reader", "", "", ".*"},
		{"add_user", "writer", "secret"},
		{"set_permissions", "writer", "", ".*", ""},
		{"add_user", "stranger", "secret"},
	} {
		if err := r.Ctl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nobody.Close() })
	for name, c := range map[string]struct {
		change  func(*amqp.Server)
		declare bool
		want    string
	}{
		"wrong password":  {func(s *amqp.Server) { s.Password = "wrong" }, true, "the user name or the password is wrong"},
		"no virtual host": {func(s *amqp.Server) { s.VirtualHost = "none" }, true, "vhost none not found"},
		"no access":       {func(s *amqp.Server) { s.User, s.Password = "stranger", "secret" }, false, "access to vhost '/' refused"},
		"may not declare": {func(s *amqp.Server) { s.User, s.Password = "writer", "secret" }, true, "refused for user 'writer'"},
		"may not publish": {func(s *amqp.Server) { s.User, s.Password = "reader", "secret" }, false, "refused for user 'reader'"},
		"no server":       {func(s *amqp.Server) { s.Addresses = []string{"127.0.0.1:1"} }, false, "connection refused"},
		"silent server":   {func(s *amqp.Server) { s.Addresses = []string{nobody.Addr().String()} }, false, "no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := made
			o.Declare = c.declare
			o.Server = func(ctx context.Context) (amqp.Server, error) {
				s, err := made.Server(ctx)
				c.change(&s)
				return s, err
			}
			begin := time.Now()
			b, err := amqp.Open(t.Context(), o)
			if err == nil {
				_ = b.Close()
				t.Fatal("it opens")
			}
			if text := err.Error(); !strings.Contains(text, c.want) || strings.Contains(text, "\n") {
				t.Errorf("%v does not say %q in one line", err, c.want)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	t.Run("may not consume", func(t *testing.T) {
		t.Parallel()
		o := made
		o.Declare = false
		o.Server = func(ctx context.Context) (amqp.Server, error) {
			s, err := made.Server(ctx)
			s.User, s.Password = "writer", "secret"
			return s, err
		}
		if _, err := open(t, o).Subscribe((&log{}).handle); err == nil || !strings.Contains(err.Error(), "refused for user 'writer'") {
			t.Errorf("got %v", err)
		}
	})
}

// TestANewPasswordIsTakenUnderLoad rotates the account's password and ends its
// connections, as an operator does: no call fails.
func TestANewPasswordIsTakenUnderLoad(t *testing.T) {
	t.Parallel()
	r := testserver.NewRabbitMQ(t)
	ctl := func(args ...string) {
		t.Helper()
		if err := r.Ctl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	ctl("add_user", "service", "first")
	ctl("set_permissions", "service", ".*", ".*", ".*")
	o := options(t, r)
	var password atomic.Value
	password.Store("first")
	direct := o.Server
	o.Server = func(ctx context.Context) (amqp.Server, error) {
		s, err := direct(ctx)
		s.User, s.Password = "service", password.Load().(string) //nolint:forcetypeassert // it is
		return s, err
	}
	metrics := prometheus.NewRegistry()
	o.Registerer = metrics
	b := open(t, o)
	var l log
	if _, err := b.Subscribe(l.handle); err != nil {
		t.Fatal(err)
	}
	var confirmed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := b.Publish(t.Context(), message("k", i)); err != nil {
				t.Errorf("publish: %v", err)
				return
			}
			confirmed.Add(1)
		}
	})
	eventually(t, "messages are confirmed", func() bool { return confirmed.Load() > 10 })
	ctl("change_password", "service", "second")
	password.Store("second")
	ctl("close_all_user_connections", "service", "rotated")
	eventually(t, "it has connected again", func() bool { return counter(t, metrics, "trivet_broker_reconnects_total") >= 2 })
	n := confirmed.Load()
	eventually(t, "publishing goes on", func() bool { return confirmed.Load() > n+10 })
	stop()
	wg.Wait()
	eventually(t, "all are delivered", func() bool { return int64(len(l.firsts("k"))) == confirmed.Load() })
}

func TestPartitionsAreSharedByProcesses(t *testing.T) {
	t.Parallel()
	o := options(t, testserver.SharedRabbitMQ(t))
	o.Partitions = 4
	o.BalanceInterval = 50 * time.Millisecond
	first := open(t, o)
	second := open(t, o)
	var logs [2]log
	if _, err := first.Subscribe(logs[0].handle); err != nil {
		t.Fatal(err)
	}
	const keys = 16
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var published [keys]atomic.Int64
	for k := range keys {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := second.Publish(t.Context(), message(fmt.Sprint(k), i)); err != nil {
					t.Error(err)
					return
				}
				published[k].Add(1)
			}
		})
	}
	eventually(t, "the first one handles messages", func() bool { return logs[0].count() > 100 })
	if _, err := second.Subscribe(logs[1].handle); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second one handles some too", func() bool { return logs[1].count() > 100 })
	n := logs[0].count()
	eventually(t, "the first one goes on", func() bool { return logs[0].count() > n+100 })
	stop()
	wg.Wait()
	eventually(t, "all are settled", func() bool {
		s, err := first.Stats(t.Context())
		other, otherErr := second.Stats(t.Context())
		return err == nil && otherErr == nil && s.Ready+s.Unsettled+other.Unsettled == 0
	})
	for k := range keys {
		// A key changes hands at most a few times, each time in order.
		var got []string
		for _, id := range slices.Concat(logs[0].firsts(fmt.Sprint(k)), logs[1].firsts(fmt.Sprint(k))) {
			if !slices.Contains(got, id) {
				got = append(got, id)
			}
		}
		if int64(len(got)) != published[k].Load() {
			t.Errorf("key %d: %d were published, %d handled", k, published[k].Load(), len(got))
		}
	}
}

var _ broker.Broker = (*amqp.Broker)(nil)
