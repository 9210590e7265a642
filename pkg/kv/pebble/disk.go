package pebble

import (
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/errors"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskRetry is how long a write that has failed waits before it is repeated.
const diskRetry = 100 * time.Millisecond

// disk is the file system that pebble gets. Pebble panics, or ends the
// process, when a write to its log or its manifest fails. So these writes never
// fail once the store is open:
//   - when the disk is full, they wait until there is space again. Those who
//     wait for a write are told, and reads go on;
//   - any other error fails the store, and the write never returns: nothing is
//     acknowledged any more, reads go on, and the process has to be restarted.
//
// Writes of tables may fail: pebble repeats them. They wait a little first, so
// that it does not do so in a busy loop.
type disk struct {
	vfs.FS
	fail func(error) // fails the store

	armed atomic.Bool                   // the store is open
	full  atomic.Pointer[chan struct{}] // closed while a write waits for space

	mu      sync.Mutex
	waiting int // writes that wait for space
	giveUp  chan struct{}
	gaveUp  bool
}

func newDisk(fs vfs.FS, fail func(error)) *disk {
	d := &disk{FS: fs, fail: fail, giveUp: make(chan struct{})}
	full := make(chan struct{})
	d.full.Store(&full)
	return d
}

// arm begins to keep errors from pebble, which handles them well itself while
// it opens a directory.
func (d *disk) arm() { d.armed.Store(true) }

// stuck gives a channel that is closed while a write waits for space.
func (d *disk) stuck() <-chan struct{} { return *d.full.Load() }

// impatient fails the store when a write has to wait for space, now or later.
func (d *disk) impatient() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.gaveUp {
		d.gaveUp = true
		close(d.giveUp)
	}
}

// care says what becomes of a write that fails.
type care int

const (
	careless care = iota // the error is returned
	delayed              // it is returned after a while
	patient              // it waits for space; other errors are returned after a while
	critical             // it waits for space; other errors fail the store
)

// careOf tells how important it is that a file can be written.
func (d *disk) careOf(name string, category vfs.DiskWriteCategory) care {
	base := d.PathBase(name)
	switch {
	case strings.HasSuffix(base, ".log"), strings.HasPrefix(base, "MANIFEST-"), strings.HasPrefix(base, "marker."):
		return critical
	case category == "pebble-memtable-flush":
		return patient
	case strings.HasSuffix(base, ".sst"):
		return delayed
	}
	return careless
}

// try runs a step of a write until it may return.
func (d *disk) try(c care, step func() error) error {
	err := step()
	if err == nil || c == careless || !d.armed.Load() {
		return err
	}
	if isFull(err) && c >= patient {
		err = d.untilSpace(err, step)
	}
	switch {
	case err == nil:
	case c == critical:
		d.fail(err)
		select {} // pebble must not learn of it
	default:
		d.pause()
	}
	return err
}

// untilSpace repeats a step for which the disk had no space.
func (d *disk) untilSpace(err error, step func() error) error {
	d.mu.Lock()
	if d.waiting++; d.waiting == 1 {
		close(*d.full.Load())
	}
	d.mu.Unlock()
	for isFull(err) && d.pause() {
		err = step()
	}
	d.mu.Lock()
	if d.waiting--; d.waiting == 0 {
		full := make(chan struct{})
		d.full.Store(&full)
	}
	d.mu.Unlock()
	return err
}

// pause waits before a step is repeated, and tells whether to repeat it.
func (d *disk) pause() bool {
	timer := time.NewTimer(diskRetry)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.giveUp:
		return false
	}
}

// isFull tells whether an error says that there is no space.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func (d *disk) open(c care, open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := d.try(c, func() (err error) {
		f, err = open()
		return err
	})
	if err != nil || c == careless {
		return f, err
	}
	return &diskFile{File: f, disk: d, care: c}, nil
}

// Create implements [vfs.FS]. A marker is durable only after the manifest that
// it names: a file system may keep the later of two names and lose the earlier.
func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.settleNames(name); err != nil {
		return nil, err
	}
	return d.open(d.careOf(name, category), func() (vfs.File, error) { return d.FS.Create(name, category) })
}

// Remove implements [vfs.FS]. A marker is removed only once the one that
// replaces it is durable.
func (d *disk) Remove(name string) error {
	if err := d.settleNames(name); err != nil {
		return err
	}
	return d.FS.Remove(name)
}

// settleNames makes the names in a marker's directory durable.
func (d *disk) settleNames(marker string) error {
	if !strings.HasPrefix(d.PathBase(marker), "marker.") {
		return nil
	}
	return syncDir(d, d.PathDir(marker))
}

// ReuseForWrite implements [vfs.FS].
func (d *disk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.open(d.careOf(newname, category), func() (vfs.File, error) {
		return d.FS.ReuseForWrite(oldname, newname, category)
	})
}

// OpenDir implements [vfs.FS]. A directory is opened to be synced, after a log
// or a manifest was created in it.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	return d.open(critical, func() (vfs.File, error) { return d.FS.OpenDir(name) })
}

// Unwrap implements [vfs.FS].
func (d *disk) Unwrap() vfs.FS { return d.FS }

// diskFile is a file that is not written carelessly.
type diskFile struct {
	vfs.File
	disk *disk
	care care
}

// Write implements [vfs.File].
func (f *diskFile) Write(p []byte) (int, error) {
	written := 0
	err := f.disk.try(f.care, func() error {
		n, err := f.File.Write(p[written:])
		written += n
		return err
	})
	return written, err
}

// Sync implements [vfs.File]. What the kernel could not write out is lost to
// it, so that a sync that has failed must never be repeated.
func (f *diskFile) Sync() error { return f.synced(f.File.Sync()) }

// SyncData implements [vfs.File].
func (f *diskFile) SyncData() error { return f.synced(f.File.SyncData()) }

// Close implements [vfs.File].
func (f *diskFile) Close() error { return f.synced(f.File.Close()) }

func (f *diskFile) synced(err error) error {
	if isFull(err) {
		err = errors.Newf("not synced: %v", err)
	}
	return f.disk.try(f.care, func() error { return err })
}

// SyncTo implements [vfs.File].
func (f *diskFile) SyncTo(length int64) (bool, error) {
	fullSync, err := f.File.SyncTo(length)
	return fullSync, f.synced(err)
}

// Preallocate implements [vfs.File]. It is an optimisation: the write that
// follows finds out whether there is space.
func (f *diskFile) Preallocate(offset, length int64) error {
	if err := f.File.Preallocate(offset, length); err != nil && !isFull(err) {
		return f.synced(err)
	}
	return nil
}
