package pebble

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/kv"
)

// spaceInterval is how often the free space is measured while there are
// writes; a disk takes far less than the reserve in that time.
const spaceInterval = 50 * time.Millisecond

// space refuses writes while the disk has less free space than a reserve, so
// that what was accepted can be written out. What frees space in the end,
// deletions and upkeep, may use half of the reserve.
type space struct {
	fs      vfs.FS
	dir     string
	reserve uint64

	measuring sync.Mutex
	measured  atomic.Int64 // when, in ns
	free      atomic.Uint64
}

// measure looks up the free space.
func (s *space) measure() {
	free := s.reserve // for a file system that cannot tell
	if usage, err := s.fs.GetDiskUsage(s.dir); err == nil {
		free = usage.AvailBytes
	}
	s.free.Store(free)
}

// check refuses a write while there is too little space; one that frees space
// in the end may use half of the reserve.
func (s *space) check(frees bool) error {
	now := time.Now().UnixNano()
	if now-s.measured.Load() > int64(spaceInterval) && s.measuring.TryLock() {
		s.measure()
		s.measured.Store(now)
		s.measuring.Unlock()
	}
	need := s.reserve
	if frees {
		need /= 2
	}
	if free := s.free.Load(); free < need {
		return diskFull("%s has %d MiB left, and writes need %d MiB", s.dir, free>>20, need>>20)
	}
	return nil
}

func diskFull(format string, args ...any) error {
	return &kv.Error{
		Code:       kv.CodeUnavailable,
		Detail:     "the disk is full: " + fmt.Sprintf(format, args...),
		RetryAfter: time.Second,
	}
}
