package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

// faults decides which steps of a disk fail, and how much space it has.
type faults struct {
	mu    sync.Mutex
	check func(op errorfs.Op) error
	held  func(op errorfs.Op)
	free  atomic.Uint64
}

// hold calls a function, which may wait, before each step.
func (f *faults) hold(before func(op errorfs.Op)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = before
}

func (f *faults) set(check func(op errorfs.Op) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check = check
}

func (f *faults) MaybeError(op errorfs.Op) error {
	f.mu.Lock()
	check, held := f.check, f.held
	f.mu.Unlock()
	if held != nil {
		held(op)
	}
	if check == nil {
		return nil
	}
	return check(op)
}

func (f *faults) String() string { return "faults" }

// failing makes the writes to files with a suffix fail with an error.
func failing(err error, suffix string, kinds ...errorfs.OpKind) func(errorfs.Op) error {
	return func(op errorfs.Op) error {
		for _, kind := range kinds {
			if op.Kind == kind && strings.HasSuffix(op.Path, suffix) {
				return err
			}
		}
		return nil
	}
}

type measured struct {
	vfs.FS
	faults *faults
}

func (m measured) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: m.faults.free.Load()}, nil
}

// faulty opens a store on a disk with faults. The store is not closed by the
// test's end: one that has failed cannot be.
func faulty(t *testing.T) (*pebble.Store, *vfs.MemFS, *faults) {
	t.Helper()
	mem, f := vfs.NewCrashableMem(), &faults{}
	f.free.Store(1 << 40)
	s, err := pebble.Open("store", pebble.Options{FS: measured{errorfs.Wrap(mem, f), f}, ReserveBytes: 8 << 20, MemTableBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return s, mem, f
}

func tryPut(ctx context.Context, s *pebble.Store, key, value string) error {
	_, err := s.Apply(ctx, "ns", kv.Operation{Kind: kv.KindPut, Key: key, Value: []byte(value)}, kv.Identity{})
	return err
}

func isUnavailable(err error, text string) bool {
	return kv.CodeOf(err) == kv.CodeUnavailable && strings.Contains(err.Error(), text)
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestWritesAreRefusedBelowTheReserve(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _, f := faulty(t)
	put(t, s, "ns", "k", "v")
	f.free.Store(7 << 20)
	eventually(t, "a put is refused", func() bool { return tryPut(ctx, s, "other", "v") != nil })
	if err := tryPut(ctx, s, "other", "v"); !isUnavailable(err, "the disk is full: store has 7 MiB left") {
		t.Errorf("put: %v", err)
	}
	if err := s.Ping(ctx); !isUnavailable(err, "the disk is full") {
		t.Errorf("ping: %v", err)
	}
	if got := get(t, s, "ns", "k"); got != "v" {
		t.Errorf("read %q", got)
	}
	if _, err := s.Apply(ctx, "ns", kv.Operation{Kind: kv.KindDelete, Key: "k"}, kv.Identity{}); err != nil {
		t.Errorf("delete, which frees space: %v", err)
	}
	if _, err := s.Sweep(ctx, 10); err != nil {
		t.Errorf("sweep: %v", err)
	}
	if _, err := s.Compact(ctx, 10); err != nil {
		t.Errorf("compact: %v", err)
	}
	f.free.Store(9 << 20)
	eventually(t, "a put is accepted", func() bool { return tryPut(ctx, s, "other", "v") == nil })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestALogThatFindsTheDiskFullWaitsForSpace(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, mem, f := faulty(t)
	put(t, s, "ns", "old", "1")
	put(t, s, "ns", "k", "1")
	f.set(failing(syscall.ENOSPC, ".log", errorfs.OpFileWrite))

	if err := tryPut(ctx, s, "k", "2"); !isUnavailable(err, "the disk is full: this write is made once there is space") {
		t.Errorf("the write under way: %v", err)
	}
	if err := tryPut(ctx, s, "other", "2"); !isUnavailable(err, "this one was not begun") {
		t.Errorf("a write after it: %v", err)
	}
	if got := get(t, s, "ns", "old"); got != "1" {
		t.Errorf("read %q", got)
	}
	eventually(t, "a read of what is not on disk is refused", func() bool {
		e, err := s.Get(ctx, "ns", "k", kv.ReadOptions{})
		if err == nil && string(e.Value) != "1" {
			t.Fatalf("read %q, which is not on disk", e.Value)
		}
		return isUnavailable(err, "the disk is full")
	})

	f.set(nil)
	eventually(t, "writes are accepted again", func() bool { return tryPut(ctx, s, "new", "3") == nil })
	for key, want := range map[string]string{"old": "1", "k": "2", "new": "3"} {
		if got := get(t, s, "ns", key); got != want {
			t.Errorf("%s is %q", key, got)
		}
	}
	again := open(t, "store", pebble.Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	for key, want := range map[string]string{"old": "1", "k": "2", "new": "3"} {
		if got := get(t, again, "ns", key); got != want {
			t.Errorf("after a crash %s is %q", key, got)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseDoesNotWaitForSpace(t *testing.T) {
	t.Parallel()
	s, mem, f := faulty(t)
	put(t, s, "ns", "k", "1")
	f.set(failing(syscall.ENOSPC, ".log", errorfs.OpFileWrite))
	if err := tryPut(context.Background(), s, "k", "2"); !isUnavailable(err, "the disk is full") {
		t.Errorf("put: %v", err)
	}
	if err := s.Close(); !isUnavailable(errors.Unwrap(err), "has to be restarted") {
		t.Errorf("close: %v", err)
	}
	again := open(t, "store", pebble.Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	if got := get(t, again, "ns", "k"); got != "1" {
		t.Errorf("after a crash: %q", got)
	}
}

func TestTablesThatFindTheDiskFullAreWrittenLater(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, mem, f := faulty(t)
	f.set(failing(syscall.ENOSPC, ".sst", errorfs.OpFileWrite, errorfs.OpCreate))
	large := strings.Repeat("x", 20_000)
	refused := 0
	keys := 0
	for refused == 0 {
		if err := tryPut(ctx, s, string(rune('a'+keys)), large); err == nil {
			keys++
		} else if isUnavailable(err, "the disk is full") {
			refused++
		} else {
			t.Fatal(err)
		}
	}
	f.set(nil)
	eventually(t, "writes are accepted again", func() bool { return tryPut(ctx, s, "new", "3") == nil })
	again := open(t, "store", pebble.Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	for i := range keys {
		if got := get(t, again, "ns", string(rune('a'+i))); got != large {
			t.Errorf("after a crash, key %d is %d bytes", i, len(got))
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestAFailingDiskStopsWritesOnly breaks each step that pebble cannot survive.
func TestAFailingDiskStopsWritesOnly(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(errorfs.Op) error{
		"write of the log":        failing(syscall.EIO, ".log", errorfs.OpFileWrite),
		"sync of the log":         failing(syscall.EIO, ".log", errorfs.OpFileSyncData, errorfs.OpFileSync),
		"a full disk at the sync": failing(syscall.ENOSPC, ".log", errorfs.OpFileSyncData, errorfs.OpFileSync),
		"a new log":               failing(syscall.EIO, ".log", errorfs.OpCreate, errorfs.OpReuseForWrite),
		"sync of the directory":   failing(syscall.EIO, "store", errorfs.OpFileSync),
		"the manifest": func(op errorfs.Op) error {
			if strings.Contains(op.Path, "MANIFEST") && op.Kind == errorfs.OpFileWrite {
				return syscall.EIO
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			s, mem, f := faulty(t)
			put(t, s, "ns", "k", "1")
			f.set(check)
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					for s.Err() == nil {
						// Large enough that the log has to be rotated.
						_ = tryPut(ctx, s, string(rune('a'+w)), strings.Repeat("x", 30_000))
					}
				})
			}
			wg.Wait()
			<-s.Failed()
			if err := tryPut(ctx, s, "other", "2"); !isUnavailable(err, "cannot write and has to be restarted") {
				t.Errorf("put: %v", err)
			}
			if err := s.Ping(ctx); !isUnavailable(err, "has to be restarted") {
				t.Errorf("ping: %v", err)
			}
			if got := get(t, s, "ns", "k"); got != "1" {
				t.Errorf("read %q", got)
			}
			if page, err := s.List(ctx, "ns", kv.ListQuery{Prefix: "k", Limit: 1}); err != nil || len(page.Entries) != 1 {
				t.Errorf("list: %v, %v", page, err)
			}
			if err := s.Close(); err == nil {
				t.Error("closed as if nothing had been wrong")
			}
			again := open(t, "store", pebble.Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
			if got := get(t, again, "ns", "k"); got != "1" {
				t.Errorf("after a crash: %q", got)
			}
		})
	}
}

// intruderDir names the directory that this binary opens when it is run as a
// second process.
const intruderDir = "TRIVET_TEST_INTRUDER_DIR"

func TestADirectoryHasOneProcess(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(intruderDir); dir != "" {
		_, err := pebble.Open(dir, pebble.Options{})
		fmt.Println(err)
		return
	}
	dir := t.TempDir()
	open(t, dir, pebble.Options{})
	want := dir + " is in use by another process"
	if _, err := pebble.Open(dir, pebble.Options{}); !isUnavailable(err, want) {
		t.Errorf("second open in one process: %v", err)
	}
	second := exec.Command(os.Args[0], "-test.run", "^TestADirectoryHasOneProcess$")
	second.Env = append(os.Environ(), intruderDir+"="+dir)
	if out, err := second.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("second process: %s %v", out, err)
	}
}

func TestADirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		text string
	}{
		"read-only":     {syscall.EROFS, "store is on a read-only file system"},
		"no permission": {syscall.EACCES, "store cannot be written: permission denied"},
		"full":          {syscall.ENOSPC, "store cannot be opened: the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, existing := range []bool{false, true} {
				mem := vfs.NewMem()
				if existing {
					s, err := pebble.Open("store", pebble.Options{FS: mem})
					if err != nil {
						t.Fatal(err)
					}
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				}
				readOnly := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
					if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose && op.Kind != errorfs.OpLock {
						return &os.PathError{Op: "open", Path: op.Path, Err: tt.err}
					}
					return nil
				}))
				if _, err := pebble.Open("store", pebble.Options{FS: readOnly}); !isUnavailable(err, tt.text) {
					t.Errorf("existing %t: %v", existing, err)
				}
			}
		})
	}
}

func TestNoPermission(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("permissions do not bind this user")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(dir, pebble.Options{}); !isUnavailable(err, "permission denied") {
		t.Errorf("open: %v", err)
	}
}

// slowUsage is a disk that takes long to measure, once it is told to.
type slowUsage struct {
	vfs.FS
	slow    *atomic.Bool
	begun   chan struct{}
	release chan struct{}
}

func (s slowUsage) GetDiskUsage(string) (vfs.DiskUsage, error) {
	if s.slow.Load() {
		s.begun <- struct{}{}
		<-s.release
	}
	return vfs.DiskUsage{AvailBytes: 1 << 40}, nil
}

func TestWritesGoByTheLastMeasureWhileAnotherIsTaken(t *testing.T) {
	t.Parallel()
	disk := slowUsage{FS: vfs.NewMem(), slow: new(atomic.Bool), begun: make(chan struct{}, 100), release: make(chan struct{})}
	s := open(t, "store", pebble.Options{FS: disk})
	disk.slow.Store(true)
	first := make(chan error, 1)
	go func() { first <- tryPut(context.Background(), s, "a", "1") }()
	<-disk.begun
	put(t, s, "ns", "b", "2")
	close(disk.release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
