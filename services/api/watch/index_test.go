package watch

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

// The index gives what comparing every prefix would give.
func TestIndexMatchesPrefixes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	text := func(length int) string {
		b := make([]byte, random.IntN(length+1))
		for i := range b {
			b[i] = "ab"[random.IntN(2)]
		}
		return string(b)
	}
	x := newIndex()
	feeds := map[*feed]bool{}
	for range 3000 {
		if random.IntN(3) > 0 {
			f := newFeed(text(6), random.IntN(2) == 0, limits{1, 1})
			feeds[f] = true
			x.add(f)
		} else {
			for f := range feeds {
				delete(feeds, f)
				x.remove(f)
				x.remove(f) // changes nothing
				break
			}
		}
		key := text(8)
		found := map[*feed]bool{}
		for f := range x.matching(key) {
			if found[f] || !strings.HasPrefix(key, f.prefix) {
				t.Fatalf("key %q gives the feed of %q", key, f.prefix)
			}
			found[f] = true
		}
		values := 0
		for f := range feeds {
			if strings.HasPrefix(key, f.prefix) && !found[f] {
				t.Fatalf("key %q does not give the feed of %q", key, f.prefix)
			}
			if f.values {
				values++
			}
		}
		if x.values != values {
			t.Fatalf("%d feeds want values, want %d", x.values, values)
		}
	}
	for f := range feeds {
		x.remove(f)
	}
	if len(x.feeds)+len(x.lengths)+len(x.count)+x.values != 0 {
		t.Errorf("an empty index holds %+v", x)
	}
}

// A page that was read before somebody wanted values is read again.
func TestFeedThatWantsValuesJoinsLate(t *testing.T) {
	t.Parallel()
	tail := &tailer{hub: NewHub(nil, Options{}), namespace: "ns"}
	without := newFeed("", false, limits{10, 1 << 10})
	tail.add(without, 0)
	page := kv.ChangePage{Changes: []kv.Change{{Position: 1, Kind: kv.ChangePut, Key: "k"}}, Next: 1}
	with := newFeed("", true, limits{10, 1 << 10})
	tail.add(with, 0)
	if tail.dispatch(page, false) {
		t.Fatal("a page without values went to a feed that wants them")
	}
	page.Changes[0].Value = []byte("v")
	if !tail.dispatch(page, true) {
		t.Fatal("a page with values was refused")
	}
	for f, want := range map[*feed]bool{with: true, without: false} {
		events, _, _ := f.take()
		if len(events) != 1 || strings.Contains(string(events[0].frame), `"value":"dg=="`) != want {
			t.Errorf("values=%v: got %d events, %s", f.values, len(events), events[0].frame)
		}
	}
}

// A change is encoded once for all who want it in the same form.
func TestEventsAreShared(t *testing.T) {
	t.Parallel()
	tail := &tailer{hub: NewHub(nil, Options{}), namespace: "ns"}
	first, second := newFeed("", true, limits{10, 1 << 10}), newFeed("k", true, limits{10, 1 << 10})
	tail.add(first, 0)
	tail.add(second, 0)
	tail.dispatch(kv.ChangePage{Changes: []kv.Change{{Position: 1, Kind: kv.ChangePut, Key: "k"}}, Next: 1}, true)
	one, _, _ := first.take()
	other, _, _ := second.take()
	if len(one) != 1 || len(other) != 1 || one[0] != other[0] {
		t.Errorf("got %p and %p", one, other)
	}
}

// A feed is bounded by events and by bytes, and takes one event of any size.
func TestFeedIsBounded(t *testing.T) {
	t.Parallel()
	sized := func(position kv.Position, n int) *event { return &event{position: position, frame: make([]byte, n)} }
	for _, c := range []struct {
		name  string
		sizes []int
		held  int
	}{
		{"by events", []int{1, 1, 1, 1}, 3},
		{"by bytes", []int{60, 40, 1}, 2},
		{"one that is larger than the bound", []int{1000, 1}, 1},
	} {
		f := newFeed("", true, limits{3, 100})
		for i, n := range c.sizes {
			f.push(sized(kv.Position(i+1), n))
		}
		f.push(sized(100, 1)) // never behind a gap
		events, end, _ := f.take()
		if len(events) != c.held || end != overflowed {
			t.Errorf("%s: %d events, ending %d", c.name, len(events), end)
		}
	}
}
