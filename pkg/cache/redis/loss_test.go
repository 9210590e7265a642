//go:build unix

package redis_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/cache/redis"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/testserver"
)

const (
	quick   = 500 * time.Millisecond // time-out of tests in which Redis fails
	patient = 20 * time.Second       // of tests in which it does not, however busy the machine
)

func TestForgottenKeysMakeNoReadOlder(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(r *testserver.Redis, ctx context.Context) error{
		"flushed": (*testserver.Redis).Flush,
		"scripts flushed": func(r *testserver.Redis, ctx context.Context) error {
			_, err := r.Do(ctx, "SCRIPT", "FLUSH", "SYNC")
			return err
		},
		"evicted": func(r *testserver.Redis, ctx context.Context) error {
			_, err := r.Do(ctx, "DEBUG", "POPULATE", "20000", "filler", "200")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testserver.NewRedis(t, "maxmemory 4mb", "maxmemory-policy allkeys-random")
			d := newDeployment(t)
			d.join(r.URL(), patient)
			d.join(r.URL(), patient)
			d.underLoad(func() {
				for range 10 {
					d.answered(100, 20)
					if err := disturb(r, t.Context()); err != nil {
						t.Error(err)
					}
				}
				d.answered(100, 20)
			})
			d.neverOlder(0)
		})
	}
}

func TestOutOfMemoryNothingFailsAndNoReadIsOlder(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t, "maxmemory-policy noeviction")
	d := newDeployment(t)
	d.join(r.URL(), patient)
	d.join(r.URL(), patient)
	limit := func(size string) {
		if _, err := r.Do(t.Context(), "CONFIG", "SET", "maxmemory", size); err != nil {
			t.Error(err)
		}
	}
	d.underLoad(func() {
		d.answered(200, 50)
		limit("1mb") // below what it uses empty
		d.answered(0, 200)
		limit("0")
		d.answered(200, 50)
	})
	d.neverOlder(0)
}

func TestARestartedRedisIsNotBelieved(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t)
	d := newDeployment(t)
	d.join(r.URL(), quick)
	d.join(r.URL(), quick)
	d.underLoad(func() {
		d.answered(200, 50)
		if err := r.Save(t.Context()); err != nil {
			t.Error(err)
		}
		d.answered(200, 200) // which the snapshot does not have
		r.Kill()
		d.answered(0, 200)
		if err := r.Start(t.Context()); err != nil {
			t.Error(err)
		}
		d.answered(500, 100)
	})
	d.neverOlder(epoch.DefaultBound)
}

// TestARestartIsSeenByTheSuite leaves the epoch out: then the old snapshot is
// believed, and the checks of the other tests find that.
func TestARestartIsSeenByTheSuite(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t)
	d := newDeployment(t)
	c, err := redis.NewAt(parse(t, r.URL()), redis.Options{
		Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.DiscardHandler),
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	start(t, c)
	d.joinBehind(c, func(context.Context, error) error { return nil })
	d.keys = d.keys[:1]
	p := d.procs[0]
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func() {
		t.Helper()
		_, err := p.store.Apply(t.Context(), space, kv.Operation{Kind: kv.KindPut, Key: d.keys[0]}, kv.Identity{})
		step(err)
	}
	put()
	step(r.Save(t.Context()))
	step(p.write(t.Context(), d, d.keys[0]))
	r.Kill()
	step(r.Start(t.Context()))
	d.await("the cache to be used again", func() bool {
		step(p.read(t.Context(), d, d.keys[0]))
		return d.fromCache.Load() > 0
	})
	if d.older == 0 {
		t.Error("an old snapshot was read, and it was not seen")
	}
}

func TestAFailoverIsNotBelieved(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedisSentinel(t)
	d := newDeployment(t)
	d.join(r.URL(), quick)
	d.join(r.URL(), quick)
	d.underLoad(func() {
		d.answered(200, 50)
		primary := r.Primary(t.Context())
		primary.Kill()
		d.answered(0, 200)
		d.await("a new primary", func() bool { return r.Primary(t.Context()) != nil })
		d.answered(500, 100)
	})
	d.neverOlder(epoch.DefaultBound)
}

func TestAFailoverWithinAClusterIsNotBelieved(t *testing.T) {
	t.Parallel()
	r := testserver.NewReplicatedRedisCluster(t)
	d := newDeployment(t)
	d.join(r.URL(), quick)
	d.join(r.URL(), quick)
	d.underLoad(func() {
		d.answered(200, 50)
		r.Servers[0].Kill()
		d.answered(0, 200)
		d.await("the replica to take over", func() bool { return r.Servers[3].Tells(t.Context(), "replication", "role:master") })
		d.answered(500, 100)
	})
	d.neverOlder(epoch.DefaultBound)
}

func TestASlowRedisHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t)
	d := newDeployment(t)
	d.join(r.URL(), quick)
	d.join(r.URL(), quick)
	d.underLoad(func() {
		d.answered(200, 50)
		if err := r.Pause(); err != nil {
			t.Error(err)
		}
		began := time.Now()
		d.answered(0, 200)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("200 writes took %s", took)
		}
		r.Resume()
		d.answered(500, 100)
	})
	d.neverOlder(epoch.DefaultBound)
}

func TestRedisGoneForGoodIsDoneWithout(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t)
	d := newDeployment(t)
	d.join(r.URL(), quick)
	d.underLoad(func() {
		d.answered(200, 50)
		r.Kill()
		d.answered(0, 500)
	})
	d.neverOlder(epoch.DefaultBound)
}

func TestAProcessThatIsCutOffIsSeenByTheOthers(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t)
	through := newLink(t, r.Addr())
	d := newDeployment(t)
	d.join(r.URL(), quick)
	d.join("redis://"+through.addr(), quick)
	d.underLoad(func() {
		d.answered(200, 50)
		through.cut()
		d.answered(0, 500)
		through.mend()
		d.answered(500, 100)
	})
	d.neverOlder(epoch.DefaultBound)
}

// TestProcessesThatSeeDifferentPrimariesDoWithoutBoth is a split brain: each of
// two processes has a Redis of its own that says it is the primary.
func TestProcessesThatSeeDifferentPrimariesDoWithoutBoth(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	first := testserver.NewRedis(t)
	through := newLink(t, first.Addr())
	d.join(first.URL(), quick)
	d.join("redis://"+through.addr(), quick)
	d.underLoad(func() {
		d.answered(200, 50)
		through.cut()
		through.lead(testserver.NewRedis(t).Addr())
		through.mend()
		d.answered(0, 2000)
		through.cut()
		through.lead(first.Addr())
		through.mend()
		d.answered(500, 100)
	})
	d.neverOlder(epoch.DefaultBound)
}

// link is a network between a process and Redis that a test can cut.
type link struct {
	testing.TB
	listener net.Listener

	mu    sync.Mutex
	to    string
	whole bool
	conns []net.Conn
}

func newLink(t testing.TB, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{TB: t, listener: listener, to: to, whole: true}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { l.carry(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.cut()
		running.Wait()
	})
	return l
}

func (l *link) addr() string { return l.listener.Addr().String() }

func (l *link) carry(near net.Conn) {
	defer near.Close()
	l.mu.Lock()
	to, whole := l.to, l.whole
	l.mu.Unlock()
	if !whole {
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	l.mu.Lock()
	l.conns = append(l.conns, near, far)
	whole = l.whole
	l.mu.Unlock()
	if !whole {
		return
	}
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
	near.Close()
	far.Close()
	<-done
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole = false
	for _, conn := range l.conns {
		conn.Close()
	}
	l.conns = nil
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole = true
}

func (l *link) lead(to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

func TestAWrongPasswordIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t, "requirepass secret-of-the-server")
	for address, want := range map[string]string{
		"redis://:wrong-one@" + r.Addr():                    "WRONGPASS",
		"redis://" + r.Addr():                               "NOAUTH",
		"redis://127.0.0.1:1":                               "connection refused",
		"redis+sentinel://127.0.0.1:1/primary":              "unreachable",
		"redis+cluster://127.0.0.1:1":                       "connection refused",
		"redis://:secret-of-the-server@" + r.Addr() + "/99": "DB index",
	} {
		c, err := redis.New(parse(t, address), redis.Options{Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "wrong-one") {
			t.Errorf("the error shows the password: %v", err)
		}
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
