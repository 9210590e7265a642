//go:build unix

package postgres_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// TestKill kills the server again and again under load. No acknowledged write
// is lost, none is made twice, and the change log has each once and in order, at
// the position where a watcher has seen it.
func TestKill(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	s := open(t, postgres.Options{URL: server.NewURL(t)})
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	const writers = 8
	var stop atomic.Bool
	var wg sync.WaitGroup
	acknowledged := make([]int, writers) // increments, each repeated under its name until it is answered
	last := make([]kv.Version, writers)  // of puts that were answered
	progress := make(chan struct{}, 1)
	for w := range writers {
		wg.Go(func() {
			counter, key := fmt.Sprintf("counter %d", w), fmt.Sprintf("key %d", w)
			for n := 0; !stop.Load(); n++ {
				id := kv.Identity{ID: kv.DeriveWriteID("test", space, fmt.Sprintf("%d/%d", w, n))}
				for {
					res, err := s.Apply(t.Context(), space, increment(counter), id)
					if err == nil {
						if acknowledged[w]++; res.Number != int64(acknowledged[w]) {
							t.Errorf("increment %d of writer %d answered %+v", acknowledged[w], w, res)
							return
						}
						break
					}
					if code := kv.CodeOf(err); code != kv.CodeUnavailable && code != kv.CodeTimeout && code != kv.CodeOverloaded {
						t.Errorf("increment: %v", err)
						return
					}
				}
				if res, err := s.Apply(t.Context(), space, put(key, "1"), kv.Identity{}); err == nil {
					last[w] = res.Version
				}
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	watched := map[kv.Position]kv.Version{}
	wg.Go(func() { watch(t, s, &stop, watched) })
	for range rounds {
		for range 150 {
			<-progress
		}
		server.Kill()
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 150 {
		<-progress
	}
	stop.Store(true)
	wg.Wait()
	for w := range writers {
		if got := get(t, s, fmt.Sprintf("counter %d", w)); got != strconv.Itoa(acknowledged[w]) {
			t.Errorf("writer %d: the counter is %s, %d increments were acknowledged", w, got, acknowledged[w])
		}
		e, err := s.Get(t.Context(), space, fmt.Sprintf("key %d", w), kv.ReadOptions{})
		if err != nil || e.Version < last[w] {
			t.Errorf("writer %d: version %d, %v; %d was acknowledged", w, e.Version, err, last[w])
		}
	}
	t.Logf("%d commits were tried again, %d changes were watched", int(s.Retries()), len(watched))
	if len(watched) == 0 {
		t.Error("no change was watched")
	}
	logged, versions := map[string]int{}, map[string]kv.Version{}
	for q := (kv.ChangeQuery{Limit: 1000}); ; {
		page, err := s.Changes(t.Context(), space, q)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range page.Changes {
			if c.Position != q.After+kv.Position(i)+1 || c.Version <= versions[c.Key] {
				t.Fatalf("change %+v after version %d", c, versions[c.Key])
			}
			if seen, ok := watched[c.Position]; ok && seen != c.Version {
				t.Fatalf("version %d is at the position where version %d was seen", c.Version, seen)
			}
			versions[c.Key] = c.Version
			logged[c.Key]++
		}
		if q.After = page.Next; !page.More {
			break
		}
	}
	for w := range writers {
		if n := logged[fmt.Sprintf("counter %d", w)]; n != acknowledged[w] {
			t.Errorf("writer %d: %d changes of %d increments", w, n, acknowledged[w])
		}
	}
}

// watch follows the log as watch streams do, and takes down what it sees.
func watch(t *testing.T, s *postgres.Store, stop *atomic.Bool, seen map[kv.Position]kv.Version) {
	t.Helper()
	after := kv.Position(0)
	for !stop.Load() {
		page, err := s.Changes(t.Context(), space, kv.ChangeQuery{After: after, Limit: 1000, Following: true})
		if kv.CodeOf(err) == kv.CodeInvalidArgument {
			t.Errorf("position %d was given out and is not known any more", after)
			return
		}
		if err != nil {
			continue // the server is away
		}
		for _, c := range page.Changes {
			seen[c.Position] = c.Version
		}
		after = page.Next
	}
}

// TestPause stops the server so that connections stay open and nothing answers.
// Calls end in time, and the store goes on when the server does.
func TestPause(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	s := open(t, postgres.Options{
		URL: server.NewURL(t), ConnectTimeout: 500 * time.Millisecond, StatementTimeout: time.Second, WriteTimeout: 2 * time.Second,
	})
	apply(t, s, increment("n"))
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := s.Apply(t.Context(), space, increment("n"), kv.Identity{}); kv.CodeOf(err) != kv.CodeUnavailable && kv.CodeOf(err) != kv.CodeTimeout {
		t.Errorf("a write while the server stands still: %v", err)
	}
	if _, err := s.Get(t.Context(), space, "n", kv.ReadOptions{}); kv.CodeOf(err) != kv.CodeUnavailable && kv.CodeOf(err) != kv.CodeTimeout {
		t.Errorf("a read while the server stands still: %v", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("they took %s", took)
	}
	server.Resume()
	eventually(t, 10*time.Second, "the store goes on", func() bool {
		_, err := s.Apply(t.Context(), space, put("k", "1"), kv.Identity{})
		return err == nil
	})
	if got := get(t, s, "n"); got != "1" && got != "2" {
		t.Errorf("n is %s", got)
	}
}
