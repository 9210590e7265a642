package watch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/services/api/watch"
)

// openStore opens a store that lasts as long as the test.
func openStore(t testing.TB) *pebble.Store {
	t.Helper()
	store, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// writeAll makes concurrent writes of every kind to keys a/…, b/…, c/….
func writeAll(t testing.TB, store kv.Store, ns string, writers, each int) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			key := func() string { return fmt.Sprintf("%c/%d", "abc"[random.IntN(3)], random.IntN(20)) }
			for range each {
				op := kv.Operation{Kind: kv.KindPut, Key: key(), Value: []byte("value")}
				var err error
				switch random.IntN(10) {
				case 0:
					op = kv.Operation{Kind: kv.KindDelete, Key: op.Key}
					_, err = store.Apply(context.Background(), ns, op, kv.Identity{})
				case 1:
					txn := kv.Txn{}
					for i := range 8 {
						txn.Success = append(txn.Success, kv.Operation{Kind: kv.KindPut, Key: fmt.Sprintf("t/%d/%d", w, i), Value: []byte("v")})
					}
					_, err = store.Txn(context.Background(), ns, txn, kv.Identity{})
				default:
					_, err = store.Apply(context.Background(), ns, op, kv.Identity{})
				}
				if err != nil && kv.CodeOf(err) != kv.CodeNotFound {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// writeLast ends each prefix's part of the log with a change to prefix~last.
func writeLast(t testing.TB, store kv.Store, ns string, prefixes []string) {
	t.Helper()
	for _, prefix := range prefixes {
		op := kv.Operation{Kind: kv.KindPut, Key: prefix + "~last"}
		if _, err := store.Apply(context.Background(), ns, op, kv.Identity{}); err != nil {
			t.Error(err)
		}
	}
}

// untilLast reads at most limit events, and tells whether the last of the
// prefix was among them.
func (c *client) untilLast(prefix string, limit int) (got []message, done bool, err error) {
	for len(got) < limit {
		m, err := c.next()
		if err != nil {
			return got, false, err
		}
		if m.kind == "" {
			continue
		}
		got = append(got, m)
		if strings.Contains(m.data, `"key":"`+prefix+`~last"`) {
			return got, true, nil
		}
	}
	return got, false, nil
}

// Streams that begin, break off and resume while writers write see exactly
// their prefix's part of the log, whatever they have missed meanwhile.
func TestStreamsUnderConcurrentWriters(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	// The feeds are so small that streams fall behind all the time.
	s := start(t, store, loopback(t), watch.Options{FeedEvents: 4, FeedBytes: 1 << 10})
	prefixes := []string{"a/", "b/", "c/1", "t/3/", "t/", "quiet", ""}
	got := make([][]message, 4*len(prefixes))
	var clients sync.WaitGroup
	for i := range got {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(i)))
			prefix := prefixes[i%len(prefixes)]
			since := "0"
			for done := false; !done; {
				stream := s.open(t, "ns?prefix="+prefix+"&since="+since)
				some, last, err := stream.untilLast(prefix, 1+random.IntN(200))
				stream.close()
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = append(got[i], some...)
				since, done = stream.lastEventID, last
			}
		})
	}
	writeAll(t, store, "ns", 8, 150)
	writeLast(t, store, "ns", prefixes)
	clients.Wait()
	log := allChanges(t, store, "ns")
	for i := range got {
		compare(t, log, prefixes[i%len(prefixes)], 0, got[i])
	}
}

// Streams that stay open see the same, with the operations of a transaction
// side by side.
func TestLiveStreamsUnderConcurrentWriters(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	s := start(t, store, loopback(t), watch.Options{})
	prefixes := []string{"a/", "t/", ""}
	got := make([][]message, 60)
	var clients sync.WaitGroup
	for i := range got {
		stream := s.open(t, "ns?prefix="+prefixes[i%len(prefixes)])
		clients.Go(func() {
			var err error
			if got[i], _, err = stream.untilLast(prefixes[i%len(prefixes)], 1<<20); err != nil {
				t.Error(err)
			}
		})
	}
	writeAll(t, store, "ns", 8, 100)
	writeLast(t, store, "ns", prefixes)
	clients.Wait()
	log := allChanges(t, store, "ns")
	for i := range got {
		compare(t, log, prefixes[i%len(prefixes)], 0, got[i])
	}
}
