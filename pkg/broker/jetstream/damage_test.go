package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
)

// fill publishes messages one by one, so that each is a record of its own, and
// closes the queue as a killed process would leave it, or properly.
func fill(t *testing.T, dir string, n int) {
	t.Helper()
	b, err := jetstream.Open(dir, options())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		m := broker.Message{ID: fmt.Sprint(i), Key: "k", Body: bytes.Repeat([]byte{byte(i)}, 500)}
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// files gives the store's files whose path contains part, sorted.
func files(t *testing.T, dir, part string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a segment that is being removed
		}
		if err == nil && !d.IsDir() && strings.Contains(path, part) {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no files with %q: %v", part, err)
	}
	return found
}

// forget removes the index that a proper stop writes, as after a kill.
func forget(t *testing.T, dir string) {
	t.Helper()
	for _, path := range files(t, dir, "index.db") {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(at func(size int) int) func([]byte) []byte {
	return func(data []byte) []byte {
		data[at(len(data))] ^= 0x10
		return data
	}
}

func middle(size int) int { return size / 2 }
func last(size int) int   { return size - 1 }

// segments of 8 KiB hold about a dozen of fill's records.
func TestDamageIsRefusedWithTheDirectorysName(t *testing.T) {
	for _, c := range []struct {
		name   string
		killed bool
		damage func(t *testing.T, dir string)
	}{
		{"bit flipped in the last segment", true, func(t *testing.T, dir string) {
			blocks := files(t, dir, ".blk")
			edit(t, blocks[len(blocks)-1], flip(middle))
		}},
		{"bit flipped in the first segment", true, func(t *testing.T, dir string) {
			edit(t, files(t, dir, ".blk")[0], flip(middle))
		}},
		{"bit flipped in the last confirmed record", true, func(t *testing.T, dir string) {
			blocks := files(t, dir, ".blk")
			edit(t, blocks[len(blocks)-1], flip(last))
		}},
		{"bit flipped in the last confirmed record after a proper stop", false, func(t *testing.T, dir string) {
			blocks := files(t, dir, ".blk")
			edit(t, blocks[len(blocks)-1], flip(func(size int) int { return size - 20 }))
		}},
		{"confirmed record cut off", true, func(t *testing.T, dir string) {
			blocks := files(t, dir, ".blk")
			edit(t, blocks[len(blocks)-1], func(data []byte) []byte { return data[:len(data)-1] })
		}},
		{"block emptied", true, func(t *testing.T, dir string) {
			blocks := files(t, dir, ".blk")
			edit(t, blocks[len(blocks)-1], func([]byte) []byte { return nil })
		}},
		{"first segment missing", false, func(t *testing.T, dir string) { removeSegment(t, dir, 0) }},
		{"segment in the middle missing", false, func(t *testing.T, dir string) { removeSegment(t, dir, 1) }},
		{"last segment missing", false, func(t *testing.T, dir string) { removeSegment(t, dir, -1) }},
		{"a segment's description damaged", false, func(t *testing.T, dir string) {
			edit(t, files(t, dir, "meta.inf")[0], flip(middle))
		}},
		{"all segments missing", false, func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fill(t, dir, 40)
			if c.killed {
				forget(t, dir)
			}
			c.damage(t, dir)
			for range 2 { // it does not heal by trying again
				b, err := jetstream.Open(dir, options())
				if err == nil {
					_ = b.Close()
					t.Fatal("it was opened")
				}
				if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "damaged") {
					t.Fatalf("the error does not say what is damaged: %v", err)
				}
			}
		})
	}
}

func removeSegment(t *testing.T, dir string, i int) {
	t.Helper()
	metas := files(t, dir, "meta.inf")
	if len(metas) < 3 {
		t.Fatalf("there are only %d segments", len(metas))
	}
	if i < 0 {
		i += len(metas)
	}
	if err := os.RemoveAll(filepath.Dir(metas[i])); err != nil {
		t.Fatal(err)
	}
}

func TestDamageThatIsMetWhileReadingStopsTheReading(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 40)
	// The index of a proper stop vouches for the block, and the server looks at
	// its records only when they are asked for.
	edit(t, files(t, dir, ".blk")[1], func(data []byte) []byte {
		data[bytes.Index(data, bytes.Repeat([]byte{20}, 100))] ^= 1
		return data
	})
	b := open(t, dir, options())
	var handled atomic.Int64
	if _, err := b.Subscribe(func(_ context.Context, batch []broker.Delivery) []broker.Verdict {
		verdicts := make([]broker.Verdict, len(batch))
		for i, d := range batch {
			if want := fmt.Sprint(handled.Load()); d.ID != want || d.Body[0] != byte(handled.Load()) {
				t.Errorf("message %s came after %d others", d.ID, handled.Load())
			}
			handled.Add(1)
			verdicts[i] = broker.Ack()
		}
		return verdicts
	}); err != nil {
		t.Fatal(err)
	}
	var err error
	eventually(t, "the damage shows", func() bool {
		err = b.Ping(t.Context())
		return err != nil
	})
	if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("the error does not say what is damaged: %v", err)
	}
	if n := handled.Load(); n == 0 || n > 20 {
		t.Errorf("%d messages were handled, want those before the damaged one, 20", n)
	}
}

func TestATornTailIsNoDamage(t *testing.T) {
	for _, tail := range [][]byte{
		{0x40}, // less than a record's header
		append([]byte{0x40, 0, 0, 0}, make([]byte, 30)...), // less than the record's length
		bytes.Repeat([]byte{0}, 4096),                      // a file that grew before its data was written
	} {
		t.Run(fmt.Sprintf("%d bytes", len(tail)), func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, 40)
			forget(t, dir)
			blocks := files(t, dir, ".blk")
			edit(t, blocks[len(blocks)-1], func(data []byte) []byte { return append(data, tail...) })
			b := open(t, dir, options())
			if err := b.Publish(t.Context(), broker.Message{ID: "40", Key: "k"}); err != nil {
				t.Fatal(err)
			}
			if got := drain(t, b); len(got) != 41 || got[40] != "40" {
				t.Errorf("got %d messages, want all 40 and the new one", len(got))
			}
		})
	}
}

// A process that is killed while it makes a segment leaves a directory without
// a whole description.
func TestASegmentWhoseCreationWasCutOffIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 40)
	second := filepath.Base(filepath.Dir(files(t, dir, "meta.inf")[1]))
	full, err := strconv.Atoi(strings.Split(second, "-")[1])
	if err != nil || full == 0 || full > 20 {
		t.Fatalf("the second segment is %s", second)
	}
	for _, written := range []int{0, 1, 2} {
		t.Run(fmt.Sprintf("%d files written", written), func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, full)
			cut := filepath.Join(filepath.Dir(filepath.Dir(files(t, dir, "meta.inf")[0])), second)
			if err := os.MkdirAll(filepath.Join(cut, "msgs"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"meta.inf.tmp", "meta.inf"}[:written] {
				if err := os.WriteFile(filepath.Join(cut, name), []byte(`{"name":`), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b := open(t, dir, options())
			for i := range 30 {
				m := broker.Message{ID: fmt.Sprint(full + i), Key: "k", Body: make([]byte, 500)}
				if err := b.Publish(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if got := drain(t, open(t, dir, options())); len(got) != full+30 || got[full+29] != fmt.Sprint(full+29) {
				t.Errorf("got %d messages, want all %d", len(got), full+30)
			}
		})
	}
}

// A lost position costs redeliveries only.
func TestThePositionFileMayBeLostOrTorn(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string){
		"lost": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"empty": func(t *testing.T, path string) { edit(t, path, func([]byte) []byte { return nil }) },
		"one slot torn": func(t *testing.T, path string) {
			edit(t, path, func(data []byte) []byte { data[3] ^= 1; return data })
		},
		"garbage": func(t *testing.T, path string) {
			edit(t, path, func(data []byte) []byte { return bytes.Repeat([]byte("?"), len(data)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, 5)
			b := open(t, dir, options())
			drain(t, b)
			if err := b.Publish(t.Context(), broker.Message{ID: "5", Key: "k"}); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			change(t, filepath.Join(dir, "position"))
			b = open(t, dir, options())
			got := drain(t, b)
			if len(got) == 0 || got[len(got)-1] != "5" {
				t.Errorf("got %v, want the unsettled message at the end", got)
			}
		})
	}
}

// drain subscribes until everything is settled, and gives the IDs in order.
func drain(t *testing.T, b *jetstream.Broker) []string {
	t.Helper()
	var mu sync.Mutex
	var ids []string
	s, err := b.Subscribe(func(_ context.Context, batch []broker.Delivery) []broker.Verdict {
		mu.Lock()
		defer mu.Unlock()
		verdicts := make([]broker.Verdict, len(batch))
		for i, d := range batch {
			ids = append(ids, d.ID)
			verdicts[i] = broker.Ack()
		}
		return verdicts
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all is settled", func() bool {
		st, err := b.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st.Ready == 0 && st.Unsettled == 0
	})
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ids
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
