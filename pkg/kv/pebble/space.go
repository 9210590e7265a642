package pebble

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/errors"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/kv"
)

const (
	// spaceInterval is how often the free space is measured while there are
	// writes; a disk takes far less than the reserve in that time.
	spaceInterval = 50 * time.Millisecond

	// spaceRetry is how often a write that found the disk full is repeated.
	spaceRetry = 100 * time.Millisecond
)

// spaceGuard keeps a full disk from breaking the store. Pebble cannot go on
// once a write to its log or its manifest has failed, so
//   - writes are refused while the disk has less free space than a reserve;
//   - should the disk fill up nevertheless, because of others, the write to the
//     log waits until there is space again, while those who wait for it are
//     told and reads go on.
type spaceGuard struct {
	vfs.FS
	dir     string
	reserve uint64

	measured atomic.Int64 // when the free space was measured, ns
	free     atomic.Uint64

	mu      sync.Mutex
	waiting int           // writes that wait for space
	signal  chan struct{} // closed while there are any
	giveUp  chan struct{}
	gaveUp  bool
	current atomic.Pointer[chan struct{}]
}

func newSpaceGuard(fs vfs.FS, dir string, reserve uint64) *spaceGuard {
	g := &spaceGuard{FS: fs, dir: dir, reserve: reserve, signal: make(chan struct{}), giveUp: make(chan struct{})}
	g.current.Store(&g.signal)
	return g
}

// check refuses a write while the disk is full or nearly so.
func (g *spaceGuard) check() error {
	select {
	case <-g.stuck():
		return g.refusal("nothing was written")
	default:
	}
	if now := time.Now().UnixNano(); now-g.measured.Load() > int64(spaceInterval) {
		g.measured.Store(now)
		if usage, err := g.FS.GetDiskUsage(g.dir); err == nil {
			g.free.Store(usage.AvailBytes)
		} else {
			g.free.Store(g.reserve) // a file system that cannot tell
		}
	}
	if g.free.Load() < g.reserve {
		return g.refusal("nothing was written")
	}
	return nil
}

// stuck gives a channel that is closed while a write waits for space.
func (g *spaceGuard) stuck() <-chan struct{} { return *g.current.Load() }

// unknown is the error of a write that was under way when the disk filled up.
func (g *spaceGuard) unknown() error {
	return g.refusal("the write is made once there is space again, unless the process ends before")
}

func (g *spaceGuard) refusal(outcome string) error {
	return &kv.Error{
		Code:       kv.CodeUnavailable,
		Detail:     fmt.Sprintf("the disk is full: %s has %d MiB left and needs %d MiB; %s", g.dir, g.free.Load()>>20, g.reserve>>20, outcome),
		RetryAfter: time.Second,
	}
}

// stop makes the writes that wait for space fail, now and from now on.
func (g *spaceGuard) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.gaveUp {
		g.gaveUp = true
		close(g.giveUp)
	}
}

// wait waits before the next attempt, and tells whether to make it.
func (g *spaceGuard) wait() bool {
	timer := time.NewTimer(spaceRetry)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-g.giveUp:
		return false
	}
}

func (g *spaceGuard) block() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting++; g.waiting == 1 {
		close(g.signal)
	}
}

func (g *spaceGuard) unblock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting--; g.waiting == 0 {
		g.signal = make(chan struct{})
		signal := g.signal
		g.current.Store(&signal)
	}
}

// isFull tells whether an error says that there is no space.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// retry repeats a step until the disk has space for it.
func (g *spaceGuard) retry(step func() error) error {
	err := step()
	if !isFull(err) {
		return err
	}
	g.block()
	defer g.unblock()
	for isFull(err) && g.wait() {
		err = step()
	}
	return err
}

// critical tells whether pebble cannot go on after a failed write to a file.
func (g *spaceGuard) critical(name string) bool {
	base := g.FS.PathBase(name)
	return strings.HasSuffix(base, ".log") || strings.HasPrefix(base, "MANIFEST") || strings.HasPrefix(base, "marker.")
}

func (g *spaceGuard) guard(name string, open func() (vfs.File, error)) (vfs.File, error) {
	if !g.critical(name) {
		return open()
	}
	var f vfs.File
	err := g.retry(func() (err error) {
		f, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &guardedFile{File: f, guard: g}, nil
}

// Create implements [vfs.FS].
func (g *spaceGuard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.guard(name, func() (vfs.File, error) { return g.FS.Create(name, category) })
}

// ReuseForWrite implements [vfs.FS].
func (g *spaceGuard) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.guard(newname, func() (vfs.File, error) { return g.FS.ReuseForWrite(oldname, newname, category) })
}

// Rename implements [vfs.FS].
func (g *spaceGuard) Rename(oldname, newname string) error {
	return g.retry(func() error { return g.FS.Rename(oldname, newname) })
}

// Unwrap implements [vfs.FS].
func (g *spaceGuard) Unwrap() vfs.FS { return g.FS }

// guardedFile is a log, a manifest or a marker.
type guardedFile struct {
	vfs.File
	guard *spaceGuard
}

// Write implements [vfs.File].
func (f *guardedFile) Write(p []byte) (int, error) {
	written := 0
	err := f.guard.retry(func() error {
		n, err := f.File.Write(p[written:])
		written += n
		return err
	})
	return written, err
}

// Preallocate implements [vfs.File]. It is an optimisation: the write that
// follows finds out whether there is space.
func (f *guardedFile) Preallocate(offset, length int64) error {
	if err := f.File.Preallocate(offset, length); err != nil && !isFull(err) {
		return err
	}
	return nil
}
