package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

const damageDir = "store"

// damageKeys is how many keys the store under damage holds: some flushed to
// tables, some only in the log.
const damageKeys = 400

func damageValue(i int) string {
	if i%50 == 0 {
		return strings.Repeat(fmt.Sprintf("large-%d-", i), 400)
	}
	return fmt.Sprintf("value-%d", i)
}

func damageKey(i int) string { return fmt.Sprintf("key-%04d", i) }

// crashed gives the files of a store whose process ended without closing it:
// half of the keys are in tables, half in the log.
func crashed(t *testing.T) *vfs.MemFS {
	t.Helper()
	mem := vfs.NewCrashableMem()
	for _, half := range [2]int{0, damageKeys / 2} {
		s := open(t, damageDir, pebble.Options{FS: mem})
		for i := half; i < half+damageKeys/2; i++ {
			put(t, s, "ns", damageKey(i), damageValue(i))
		}
		if half > 0 {
			break // left open
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return mem.CrashClone(everything())
}

// everything keeps what was written and not synced too, as the end of a
// process does.
func everything() vfs.CrashCloneCfg {
	return vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}
}

// complete reads all that the store has to hold, every way there is.
func complete(s *pebble.Store) error {
	ctx := context.Background()
	for i := range damageKeys {
		e, err := s.Get(ctx, "ns", damageKey(i), kv.ReadOptions{})
		if err != nil {
			return err
		}
		if string(e.Value) != damageValue(i) {
			return fmt.Errorf("key %s has another value", damageKey(i))
		}
	}
	page, err := s.List(ctx, "ns", kv.ListQuery{Limit: kv.MaxPageEntries})
	if err != nil {
		return err
	}
	if len(page.Entries) != damageKeys {
		return fmt.Errorf("the list has %d keys of %d", len(page.Entries), damageKeys)
	}
	changes, err := s.Changes(ctx, "ns", kv.ChangeQuery{Limit: kv.MaxPageEntries, Values: true})
	if err != nil {
		return err
	}
	if len(changes.Changes) != damageKeys {
		return fmt.Errorf("the log has %d changes of %d", len(changes.Changes), damageKeys)
	}
	for i, c := range changes.Changes {
		if c.Position != kv.Position(i+1) || c.Key != damageKey(i) || string(c.Value) != damageValue(i) {
			return fmt.Errorf("change %d is another one", i+1)
		}
	}
	return nil
}

// refused tells whether an error refuses a damaged file by its name.
func refused(err error, file string) bool {
	return errors.Is(err, &kv.Error{Code: kv.CodeUnavailable}) && strings.Contains(err.Error(), strings.TrimSuffix(file, ".sst"))
}

// checkDamage opens damaged files and fails when the store shows less, or
// something else, than it held, rather than refuse the file by its name.
func checkDamage(t *testing.T, mem *vfs.MemFS, file, what string) (refusal bool) {
	t.Helper()
	s, err := pebble.Open(damageDir, pebble.Options{FS: mem})
	if err != nil {
		if !refused(err, file) {
			t.Errorf("%s: the refusal does not name the file: %v", what, err)
		}
		return true
	}
	defer func() { _ = s.Close() }()
	if err := complete(s); err != nil {
		if !refused(err, file) {
			t.Errorf("%s: %v", what, err)
		}
		return true
	}
	return false
}

func TestAFlippedBitIsRefusedOrHarmless(t *testing.T) {
	t.Parallel()
	image := crashed(t)
	names, err := image.List(damageDir)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	noticed := make(map[string]int) // by kind of file; obsolete files are among them
	for _, name := range names {
		path := image.PathJoin(damageDir, name)
		info, err := image.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() == 0 {
			continue
		}
		refusals, flips := 0, 60
		for range flips {
			offset := rng.Int64N(info.Size())
			bit := rng.IntN(8)
			mem := image.CrashClone(everything())
			flip(t, mem, path, offset, bit)
			if checkDamage(t, mem, name, fmt.Sprintf("%s, bit %d of byte %d of %d", name, bit, offset, info.Size())) {
				refusals++
			}
		}
		t.Logf("%s: %d of %d flips refused", name, refusals, flips)
		noticed[strings.TrimRight(name, "-0123456789")] += refusals
		noticed[path[len(path)-4:]] += refusals
	}
	for _, kind := range []string{".log", ".sst", "MANIFEST"} {
		if noticed[kind] == 0 {
			t.Errorf("no flip in a file of kind %s was noticed", kind)
		}
	}
}

func flip(t *testing.T, mem *vfs.MemFS, path string, offset int64, bit int) {
	t.Helper()
	f, err := mem.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestALogMayEndAnywhere cuts the log after every byte: as a power cut does,
// which tears off only what was not acknowledged, and as damage does.
func TestALogMayEndAnywhere(t *testing.T) {
	t.Parallel()
	const writes = 12
	mem := vfs.NewCrashableMem()
	s := open(t, damageDir, pebble.Options{FS: mem})
	log := newestLog(t, mem)
	images := []*vfs.MemFS{mem.CrashClone(everything())}
	sizes := []int64{size(t, mem, log)}
	for i := range writes {
		put(t, s, "ns", damageKey(i), damageValue(i+1))
		images = append(images, mem.CrashClone(everything()))
		sizes = append(sizes, size(t, mem, log))
	}
	acknowledged := 0
	for end := sizes[0]; end <= sizes[writes]; end++ {
		for acknowledged < writes && sizes[acknowledged+1] <= end {
			acknowledged++
		}
		torn := images[writes].CrashClone(everything())
		truncate(t, torn, log, end)
		replace(t, torn, images[acknowledged], torn.PathJoin(damageDir, "COMMITTED"))
		checkPrefix(t, torn, acknowledged, end)

		if acknowledged == writes {
			continue
		}
		damaged := images[writes].CrashClone(everything())
		truncate(t, damaged, log, end)
		if s, err := pebble.Open(damageDir, pebble.Options{FS: damaged}); err == nil {
			_ = s.Close()
			t.Fatalf("a log cut to %d bytes, with %d writes of %d, was accepted", end, acknowledged, writes)
		} else if !refused(err, log[len(damageDir)+1:]) {
			t.Fatalf("the refusal does not name the log: %v", err)
		}
	}
}

// checkPrefix opens a store and fails unless it holds the first writes and no
// part of another.
func checkPrefix(t *testing.T, mem *vfs.MemFS, writes int, end int64) {
	t.Helper()
	s, err := pebble.Open(damageDir, pebble.Options{FS: mem})
	if err != nil {
		t.Fatalf("a log that was torn at byte %d, after %d writes: %v", end, writes, err)
	}
	defer func() { _ = s.Close() }()
	page, err := s.List(context.Background(), "ns", kv.ListQuery{Limit: kv.MaxPageEntries, Values: true})
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Entries) != writes || head != kv.Position(writes) {
		t.Fatalf("a log that was torn at byte %d: %d entries and position %d after %d writes", end, len(page.Entries), head, writes)
	}
	for i, e := range page.Entries {
		if string(e.Value) != damageValue(i+1) {
			t.Fatalf("a log that was torn at byte %d: another value of %s", end, e.Key)
		}
	}
}

func newestLog(t *testing.T, mem *vfs.MemFS) string {
	t.Helper()
	names, err := mem.List(damageDir)
	if err != nil {
		t.Fatal(err)
	}
	newest := ""
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			newest = max(newest, name)
		}
	}
	return mem.PathJoin(damageDir, newest)
}

func size(t *testing.T, mem *vfs.MemFS, path string) int64 {
	t.Helper()
	info, err := mem.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func truncate(t *testing.T, mem *vfs.MemFS, path string, end int64) {
	t.Helper()
	data := contents(t, mem, path)
	rewrite(t, mem, path, data[:end])
}

// replace gives a file the contents that it has in another file system.
func replace(t *testing.T, mem, from *vfs.MemFS, path string) {
	t.Helper()
	rewrite(t, mem, path, contents(t, from, path))
}

func contents(t *testing.T, mem *vfs.MemFS, path string) []byte {
	t.Helper()
	f, err := mem.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func rewrite(t *testing.T, mem *vfs.MemFS, path string, data []byte) {
	t.Helper()
	f, err := mem.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
