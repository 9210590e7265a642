package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

// A power cut is simulated by taking, before each step that changes the disk,
// an image of the file system without what was not synced, or with some of it.
// Whatever image the store is opened on, everything that it had acknowledged or
// shown until then has to be there.

// journal is what the outside world knows of a store.
type journal struct {
	mu     sync.Mutex
	writes []written
	seen   map[string]kv.Version // the newest version of each key that was acknowledged or read
	head   kv.Position
}

// written is one acknowledged write.
type written struct {
	id      kv.Identity
	key     string
	version kv.Version
}

func (j *journal) acknowledged(w written) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writes = append(j.writes, w)
	j.seen[w.key] = max(j.seen[w.key], w.version)
}

func (j *journal) read(key string, v kv.Version, p kv.Position) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen[key] = max(j.seen[key], v)
	j.head = max(j.head, p)
}

// snapshot gives what is known now.
func (j *journal) snapshot() *journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	seen := make(map[string]kv.Version, len(j.seen))
	for key, v := range j.seen {
		seen[key] = v
	}
	return &journal{writes: j.writes[:len(j.writes):len(j.writes)], seen: seen, head: j.head}
}

// image is a disk after a power cut and what was known before it.
type image struct {
	fs    *vfs.MemFS
	known *journal
	at    string
}

// camera takes images before the steps that change a disk.
type camera struct {
	mem  *vfs.MemFS
	book *journal

	mu     sync.Mutex
	rng    *rand.Rand
	steps  int
	every  int // takes one image in so many steps
	images []image
}

func (c *camera) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps++
	if c.steps%c.every != 0 {
		return nil
	}
	known := c.book.snapshot() // before the image: all of it has to be in it
	percent := []int{0, 0, 30, 70}[c.rng.IntN(4)]
	c.images = append(c.images, image{
		fs:    c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng}),
		known: known,
		at:    fmt.Sprintf("step %d (kind %d on %s, %d%% of what was not synced)", c.steps, op.Kind, op.Path, percent),
	})
	return nil
}

func (c *camera) String() string { return "camera" }

// crashWriters is how many clients the workload has. Each one increments a
// counter of its own, writes a value to two keys in one transaction, and takes
// turns at a key that all share; every write is named.
func crashWorkload(t *testing.T, s *pebble.Store, book *journal, writers, rounds int) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for round := range rounds {
				if err := crashRound(s, book, w, round); err != nil {
					t.Errorf("writer %d, round %d: %v", w, round, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func identity(parts ...any) kv.Identity {
	return kv.Identity{ID: kv.DeriveWriteID("crash", "ns", fmt.Sprint(parts...))}
}

func crashRound(s *pebble.Store, book *journal, writer, round int) error {
	ctx := context.Background()
	for step, op := range []kv.Operation{
		{Kind: kv.KindIncrement, Key: "counter-" + strconv.Itoa(writer), By: 1},
		{Kind: kv.KindPut, Key: "shared", Value: []byte(strings.Repeat("x", 100+round*300))},
		{Kind: kv.KindDelete, Key: "shared"},
	} {
		id := identity(writer, "/", round, "/", step)
		res, err := s.Apply(ctx, "ns", op, id)
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		book.acknowledged(written{id, op.Key, res.Version})
	}
	id := identity(writer, "/", round, "/txn")
	value := []byte(strings.Repeat(strconv.Itoa(writer*1000+round)+",", 1+round%5*100))
	res, err := s.Txn(ctx, "ns", kv.Txn{Success: []kv.Operation{
		{Kind: kv.KindPut, Key: "pair/a", Value: value},
		{Kind: kv.KindPut, Key: "pair/b", Value: value},
	}}, id)
	if err != nil {
		return err
	}
	for _, r := range res.Results {
		book.acknowledged(written{id, r.Key, r.Version})
	}
	e, err := s.Get(ctx, "ns", "shared", kv.ReadOptions{})
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	book.read("shared", e.Version, e.Position)
	return nil
}

// checkImage opens the store on an image and says what is wrong with it.
func checkImage(img image, writers, rounds int) error {
	s, err := pebble.Open("store", pebble.Options{FS: img.fs})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { _ = s.Close() }()
	ctx := context.Background()
	last, err := checkLog(ctx, s)
	if err != nil {
		return err
	}
	if head, err := s.Head(ctx); err != nil || head < img.known.head {
		return fmt.Errorf("the store is at position %d, and position %d had been given out (%w)", head, img.known.head, err)
	}
	for key, v := range img.known.seen {
		if last[key].Version < v {
			return fmt.Errorf("%s is at version %d, and version %d had been shown", key, last[key].Version, v)
		}
	}
	for _, w := range img.known.writes {
		rec, err := s.Record(ctx, w.id.ID)
		if err != nil || rec.State != kv.RecordApplied {
			return fmt.Errorf("the acknowledged write of %s, version %d, is missing: %w", w.key, w.version, err)
		}
	}
	return checkOnce(ctx, s, last, writers, rounds)
}

// checkLog reads the whole change log and fails unless it is dense, in version
// order for each key, and leads to what the list shows; it gives the last
// change of each key.
func checkLog(ctx context.Context, s *pebble.Store) (map[string]kv.Change, error) {
	last := make(map[string]kv.Change)
	position := kv.Position(0)
	for more := true; more; {
		page, err := s.Changes(ctx, "ns", kv.ChangeQuery{After: position, Limit: 100, Values: true})
		if err != nil {
			return nil, err
		}
		for _, c := range page.Changes {
			if c.Position != position+1 {
				return nil, fmt.Errorf("position %d follows %d", c.Position, position)
			}
			if c.Version <= last[c.Key].Version {
				return nil, fmt.Errorf("version %d of %s follows %d", c.Version, c.Key, last[c.Key].Version)
			}
			position = c.Position
			last[c.Key] = c
		}
		more = page.More
	}
	page, err := s.List(ctx, "ns", kv.ListQuery{Limit: kv.MaxPageEntries, Values: true})
	if err != nil {
		return nil, err
	}
	var keys, bytes int64
	live := 0
	for _, c := range last {
		if c.Kind == kv.ChangePut {
			live++
		}
	}
	for _, e := range page.Entries {
		c := last[e.Key]
		if c.Version != e.Version || c.Kind != kv.ChangePut || !c.Truncated && string(c.Value) != string(e.Value) {
			return nil, fmt.Errorf("the list has version %d of %s, the log ends with %s of version %d", e.Version, e.Key, c.Kind, c.Version)
		}
		keys++
		bytes += int64(len(e.Key)) + e.Size
	}
	if live != len(page.Entries) {
		return nil, fmt.Errorf("the list has %d keys, the log leaves %d", len(page.Entries), live)
	}
	n, err := s.Namespace(ctx, "ns")
	if err != nil {
		return nil, err
	}
	if n.Keys != keys || n.Bytes != bytes {
		return nil, fmt.Errorf("usage is %d keys and %d bytes, it should be %d and %d", n.Keys, n.Bytes, keys, bytes)
	}
	return last, nil
}

// checkOnce fails when a transaction is half there, when a version goes back,
// or when a write that is repeated under its id takes effect twice.
func checkOnce(ctx context.Context, s *pebble.Store, last map[string]kv.Change, writers, rounds int) error {
	if string(last["pair/a"].Value) != string(last["pair/b"].Value) || last["pair/a"].Position+1 != last["pair/b"].Position && len(last["pair/a"].Value) > 0 {
		return errors.New("a transaction is half there")
	}
	for w := range writers {
		key := "counter-" + strconv.Itoa(w)
		var res kv.Result
		for round := range rounds {
			var err error
			res, err = s.Apply(ctx, "ns", kv.Operation{Kind: kv.KindIncrement, Key: key, By: 1}, identity(w, "/", round, "/", 0))
			if err != nil {
				return err
			}
			if res.Number != int64(round+1) {
				return fmt.Errorf("increment %d of %s gave %d", round+1, key, res.Number)
			}
			if !res.Replayed && res.Version <= last[key].Version {
				return fmt.Errorf("%s went from version %d to %d", key, last[key].Version, res.Version)
			}
		}
	}
	return nil
}

// shoot runs the workload before a camera.
func shoot(t *testing.T, wrap func(vfs.FS) vfs.FS, seed uint64, every, writers, rounds int) *camera {
	t.Helper()
	mem := vfs.NewCrashableMem()
	book := &journal{seen: make(map[string]kv.Version)}
	c := &camera{mem: mem, book: book, every: every, rng: rand.New(rand.NewPCG(seed, seed))}
	s, err := pebble.Open("store", pebble.Options{FS: wrap(errorfs.Wrap(mem, c)), MemTableBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	crashWorkload(t, s, book, writers, rounds)
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return c
}

func asIs(fs vfs.FS) vfs.FS { return fs }

func TestAPowerCutTakesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name            string
		writers, rounds int
		every           int
	}{
		{"one writer, every step", 1, 25, 1},
		{"many writers", 8, 8, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := shoot(t, asIs, 42, tt.every, tt.writers, tt.rounds)
			t.Logf("%d images of %d steps", len(c.images), c.steps)
			for _, img := range c.images {
				if err := checkImage(img, tt.writers, tt.rounds); err != nil {
					t.Fatalf("%s, seed 42: %v", img.at, err)
				}
			}
		})
	}
}

// TestThePowerCutTestNoticesAMissingSync takes the sync of the log out: the
// test above has to fail then.
func TestThePowerCutTestNoticesAMissingSync(t *testing.T) {
	t.Parallel()
	const writers, rounds = 4, 8
	c := shoot(t, func(fs vfs.FS) vfs.FS { return forgetful{fs} }, 42, 1, writers, rounds)
	failures := 0
	for _, img := range c.images {
		// Without this file the checks alone have to notice.
		if err := img.fs.Remove("store/COMMITTED"); err != nil && !oserror.IsNotExist(err) {
			t.Fatal(err)
		}
		if checkImage(img, writers, rounds) != nil {
			failures++
		}
	}
	if failures == 0 {
		t.Errorf("%d images of a store that never syncs its log look complete", len(c.images))
	}
	t.Logf("%d of %d images are incomplete", failures, len(c.images))
}

// forgetful is a file system that claims to have synced logs.
type forgetful struct{ vfs.FS }

func (f forgetful) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return file, err
	}
	return unsynced{file}, nil
}

func (f forgetful) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(oldname, newname, category)
	if err != nil || !strings.HasSuffix(newname, ".log") {
		return file, err
	}
	return unsynced{file}, nil
}

type unsynced struct{ vfs.File }

func (unsynced) Sync() error     { return nil }
func (unsynced) SyncData() error { return nil }
