package pebble_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

// cuts gives what power cuts leave of a disk while a store on it is opened:
// one image for each step that changes the disk, and each share of what was
// not synced.
func cuts(t *testing.T, disk *vfs.MemFS, seed uint64, dir string) []image {
	t.Helper()
	var images []image
	for _, percent := range []int{0, 25, 50, 75, 100} {
		mem, rng := disk.CrashClone(everything()), rand.New(rand.NewPCG(seed, uint64(percent)))
		var shooting sync.Mutex // pebble removes files in the background
		shoot := func(at string) {
			shooting.Lock()
			defer shooting.Unlock()
			images = append(images, image{fs: mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}), at: at})
		}
		var opened atomic.Bool
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && !opened.Load() {
				shoot(op.Path)
			}
			return nil
		}))
		s, err := pebble.Open(dir, small(fs))
		if err != nil {
			t.Fatal(err)
		}
		opened.Store(true)
		shoot("the end")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return images
}

// small is for stores that are opened many times.
func small(fs vfs.FS) pebble.Options {
	return pebble.Options{FS: fs, MemTableBytes: 64 << 10, CacheBytes: 1 << 20}
}

func TestAPowerCutWhileAStoreIsMadeIsStartedOver(t *testing.T) {
	t.Parallel()
	const dir = "new/data/store"
	for seed := range uint64(2) {
		for i, img := range cuts(t, vfs.NewCrashableMem(), seed, dir) {
			s, err := pebble.Open(dir, small(img.fs))
			if err != nil {
				t.Fatalf("seed %d, image %d, before %s: %v", seed, i, img.at, err)
			}
			put(t, s, "ns", "k", "v")
			again := open(t, dir, small(img.fs.CrashClone(vfs.CrashCloneCfg{})))
			if got := get(t, again, "ns", "k"); got != "v" {
				t.Fatalf("seed %d, image %d, before %s: read %q after another power cut", seed, i, img.at, got)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestAPowerCutWhileAStoreIsStartedOver cuts the power twice while one store
// is being made.
func TestAPowerCutWhileAStoreIsStartedOver(t *testing.T) {
	t.Parallel()
	for i, first := range cuts(t, vfs.NewCrashableMem(), 3, "store") {
		if i%40 != 0 {
			continue
		}
		for j, second := range cuts(t, first.fs, 4, "store") {
			s, err := pebble.Open("store", small(second.fs))
			if err != nil {
				t.Fatalf("image %d, before %s; then image %d, before %s: %v", i, first.at, j, second.at, err)
			}
			if names := files(t, second.fs); strings.Contains(names, "UNFINISHED") {
				t.Fatalf("it is still unfinished: %s", names)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestAPowerCutWhileAStoreIsOpened is about pebble's marker of the manifest,
// which no disk may keep without the manifest, nor lose with its successor.
func TestAPowerCutWhileAStoreIsOpened(t *testing.T) {
	t.Parallel()
	live := vfs.NewCrashableMem()
	put(t, open(t, "store", small(live)), "ns", "k", "v")
	for seed := range uint64(4) {
		for i, img := range cuts(t, live.CrashClone(vfs.CrashCloneCfg{}), seed, "store") {
			s, err := pebble.Open("store", small(img.fs))
			if err != nil {
				t.Fatalf("seed %d, image %d, before %s: %v", seed, i, img.at, err)
			}
			if got := get(t, s, "ns", "k"); got != "v" {
				t.Fatalf("seed %d, image %d, before %s: read %q", seed, i, img.at, got)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAStoreThatCouldNotBeMadeIsMadeLater(t *testing.T) {
	t.Parallel()
	failed := 0
	for step := 1; ; step++ {
		mem, n, making := vfs.NewMem(), 0, true
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpCreate, errorfs.OpMkdirAll, errorfs.OpRemove, errorfs.OpFileWriteAt:
				if n++; n == step && making {
					return syscall.ENOSPC
				}
			}
			return nil
		}))
		s, err := pebble.Open("store", small(fs))
		done := n < step
		making = false
		if err != nil {
			failed++
		} else if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if done {
			break
		}
		again, err := pebble.Open("store", small(mem))
		if err != nil {
			t.Fatalf("after step %d failed: %v", step, err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if failed < 5 {
		t.Errorf("only %d steps failed the making of a store", failed)
	}
}

func TestWhatIsNotTheStoresStaysInItsDirectory(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	if err := mem.MkdirAll("store/lost+found", 0o755); err != nil {
		t.Fatal(err)
	}
	kept := []string{"notes.txt", "README", "app.log", "1.sst.bak"}
	for _, name := range append([]string{"UNFINISHED", "MANIFEST-000001", "000002.log"}, kept...) {
		rewrite(t, mem, "store/"+name, []byte("x"))
	}
	open(t, "store", small(mem))
	for _, name := range kept {
		if got := contents(t, mem, "store/"+name); string(got) != "x" {
			t.Errorf("%s holds %q", name, got)
		}
	}
	if _, err := mem.Stat("store/lost+found"); err != nil {
		t.Error(err)
	}
}

// TestARealStoreIsNeverStartedOver spoils stores that hold something, in the
// ways that resemble one that was never finished.
func TestARealStoreIsNeverStartedOver(t *testing.T) {
	t.Parallel()
	remove := func(t *testing.T, mem *vfs.MemFS, patterns ...string) {
		t.Helper()
		names, err := mem.List("store")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			for _, pattern := range patterns {
				if ok, _ := filepath.Match(pattern, name); ok {
					if err := mem.Remove("store/" + name); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	mark := func(t *testing.T, mem *vfs.MemFS) { rewrite(t, mem, "store/UNFINISHED", nil) }
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, mem *vfs.MemFS)
		text  string
	}{
		"marked":                        {mark, "UNFINISHED says that the store was never finished, and 1 batches were committed"},
		"marked, and no COMMITTED":      {func(t *testing.T, mem *vfs.MemFS) { mark(t, mem); remove(t, mem, "COMMITTED") }, "1 batches were committed"},
		"marked, and no manifest":       {func(t *testing.T, mem *vfs.MemFS) { mark(t, mem); remove(t, mem, "MANIFEST-*") }, "1 batches were committed"},
		"no markers":                    {func(t *testing.T, mem *vfs.MemFS) { remove(t, mem, "marker.*") }, "the marker of the manifest is missing"},
		"no markers and no COMMITTED":   {func(t *testing.T, mem *vfs.MemFS) { remove(t, mem, "marker.*", "COMMITTED") }, "the marker of the manifest is missing"},
		"no log and no COMMITTED":       {func(t *testing.T, mem *vfs.MemFS) { remove(t, mem, "*.log", "COMMITTED") }, "not even its first rows are there"},
		"nothing but the log is left":   {func(t *testing.T, mem *vfs.MemFS) { remove(t, mem, "[A-Zm]*") }, "the marker of the manifest is missing"},
		"nothing but COMMITTED is left": {func(t *testing.T, mem *vfs.MemFS) { remove(t, mem, "MANIFEST*", "OPTIONS*", "marker.*", "*.log") }, "the marker of the manifest is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := vfs.NewCrashableMem()
			put(t, open(t, "store", small(live)), "ns", "k", "v")
			mem := live.CrashClone(everything())
			tt.spoil(t, mem)
			before := files(t, mem)
			s, err := pebble.Open("store", small(mem))
			if err == nil {
				_, err = s.Get(context.Background(), "ns", "k", kv.ReadOptions{})
				t.Fatalf("it was opened, and its key read: %v", err)
			}
			if !isUnavailable(err, tt.text) {
				t.Errorf("refused with: %v", err)
			}
			if after := files(t, mem); after != before {
				t.Errorf("the directory has %s, it had %s", after, before)
			}
		})
	}
}

// files gives the names of a store's files, but for its lock.
func files(t *testing.T, mem *vfs.MemFS) string {
	t.Helper()
	names, err := mem.List("store")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "LOCK" })
	slices.Sort(names)
	return strings.Join(names, " ")
}
