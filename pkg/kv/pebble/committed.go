package pebble

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// committedName is the file, beside pebble's own, that says how far the store
// has committed. A log that ends early looks the same whether its last batch
// was never finished or was damaged later: this file tells them apart.
const committedName = "COMMITTED"

const (
	committedMagic = 0x74726976 // "triv"
	committedBytes = 4 + 8 + 4  // magic, sequence, checksum

	// committedQuiet is how long the file waits for more batches before it is
	// synced. Until then it is only in the kernel's memory, where it outlives
	// the process but not the machine.
	committedQuiet = 10 * time.Millisecond
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// committedFile holds the sequence of the last batch that is durable. It is
// never ahead of the log, and behind it by little.
type committedFile struct {
	file  vfs.File
	dirty chan struct{}
	done  chan struct{}

	mu  sync.Mutex // orders writes and the last sync
	buf [committedBytes]byte
}

// readCommitted gives the sequence that the file holds, and false when there is
// no file or it was not written to its end.
func readCommitted(fs vfs.FS, path string) (int64, bool, error) {
	f, err := fs.Open(path)
	if oserror.IsNotExist(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = f.Close() }()
	var buf [committedBytes]byte
	if _, err := f.ReadAt(buf[:], 0); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
		return 0, false, err
	}
	sum := crc32.Checksum(buf[:12], castagnoli)
	if binary.BigEndian.Uint32(buf[0:]) != committedMagic || binary.BigEndian.Uint32(buf[12:]) != sum {
		return 0, false, nil
	}
	return int64(binary.BigEndian.Uint64(buf[4:])), true, nil //nolint:gosec // positive
}

// open makes the file ready for writing, with what it has to hold now.
func (c *committedFile) open(fs vfs.FS, dir string, sequence int64) error {
	f, err := fs.OpenReadWrite(fs.PathJoin(dir, committedName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	c.file = f
	err = c.write(sequence)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(fs, dir)
	}
	if err != nil {
		c.file = nil
		_ = f.Close()
		return err
	}
	c.dirty = make(chan struct{}, 1)
	c.done = make(chan struct{})
	go c.syncWhenQuiet()
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}

// record notes that the batch is durable. An error costs no more than the
// comparison at the next start.
func (c *committedFile) record(h head) {
	if c.write(h.sequence) == nil {
		select {
		case c.dirty <- struct{}{}:
		default:
		}
	}
}

func (c *committedFile) write(sequence int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	binary.BigEndian.PutUint32(c.buf[0:], committedMagic)
	binary.BigEndian.PutUint64(c.buf[4:], uint64(sequence)) //nolint:gosec // positive
	binary.BigEndian.PutUint32(c.buf[12:], crc32.Checksum(c.buf[:12], castagnoli))
	_, err := c.file.WriteAt(c.buf[:], 0)
	return err
}

// syncWhenQuiet syncs the file once no batch has come for a while, so that it
// never competes with the log.
func (c *committedFile) syncWhenQuiet() {
	defer close(c.done)
	quiet := time.NewTimer(committedQuiet)
	quiet.Stop()
	for {
		select {
		case _, open := <-c.dirty:
			if !open {
				return
			}
			quiet.Reset(committedQuiet)
		case <-quiet.C:
			_ = c.file.Sync()
		}
	}
}

// close syncs the file and lets it go.
func (c *committedFile) close() error {
	if c.file == nil {
		return nil
	}
	close(c.dirty)
	<-c.done
	err := c.file.Sync()
	if closeErr := c.file.Close(); err == nil {
		err = closeErr
	}
	return err
}
