package memory

import (
	"slices"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// slot is all that is kept of one key. stored never changes once the slot is
// in the cache; the rest is read and changed under the lock of update only.
type slot struct {
	stored *stored // nil: no entry
	floor  kv.Version
	lease  lease
	marks  []mark
}

// stored is an entry, or the knowledge that there is none.
type stored struct {
	entry   kv.Entry
	absent  bool
	expires time.Time // of an entry with a TTL
	until   time.Time // it is not used from then on
}

type lease struct {
	id    cache.Lease
	until time.Time
}

type mark struct {
	id    cache.Mark // 0 stands for several that were merged
	until time.Time
}

// maxMarks bounds the marks of one key. There are as many as concurrent writes
// of the key; more than this come from writes that never learned their outcome.
const maxMarks = 1024

// slotBytes estimates what a slot takes beside the bytes of key and entry.
const slotBytes = 512

func weigh(key cache.Key, s *slot) uint32 {
	n := slotBytes + len(key.Namespace) + len(key.Key)
	if s.stored != nil {
		e := &s.stored.entry
		n += len(e.Value) + len(e.ContentType)
		for name, value := range e.Meta {
			n += len(name) + len(value) + 64
		}
	}
	return uint32(n) //nolint:gosec // keys, values and metadata are limited to a few MiB
}

func (s *stored) fresh(now time.Time) bool { return s != nil && now.Before(s.until) }

func (s *stored) lookup(now time.Time) cache.Lookup {
	found := cache.Lookup{Found: true, Absent: s.absent, Entry: s.entry}
	if !s.expires.IsZero() {
		found.Entry.TTLLeft = s.expires.Sub(now)
	}
	return found
}

func (l lease) stands(now time.Time) bool { return l.id != 0 && now.Before(l.until) }

// idle tells that nothing depends on the slot: a write that is under way has a
// mark, a reader that may fill has a lease.
func (s *slot) idle() bool { return s.lease.id == 0 && len(s.marks) == 0 }

// marked tells whether a live mark stands.
func (s *slot) marked(now time.Time) bool {
	return slices.ContainsFunc(s.marks, func(m mark) bool { return now.Before(m.until) })
}

// mark adds a mark, or puts off the deadline of one that stands.
func (s *slot) mark(id cache.Mark, until, now time.Time) {
	if i := s.find(id); i >= 0 {
		s.marks[i].until = until
		return
	}
	if len(s.marks) >= maxMarks {
		s.mergeMarks(now)
	}
	s.marks = append(s.marks, mark{id, until})
}

// unmark removes a mark and tells whether it stood.
func (s *slot) unmark(id cache.Mark) bool {
	i := s.find(id)
	if i < 0 {
		return false
	}
	s.marks = slices.Delete(s.marks, i, i+1)
	return true
}

func (s *slot) find(id cache.Mark) int {
	return slices.IndexFunc(s.marks, func(m mark) bool { return m.id == id })
}

// mergeMarks makes one mark of all that have expired, or of all when none has.
// The owners of merged marks then store nothing, and others store nothing until
// a reader has filled the key: what unknown outcomes do anyway.
func (s *slot) mergeMarks(now time.Time) {
	expired := func(m mark) bool { return !now.Before(m.until) }
	if !slices.ContainsFunc(s.marks, expired) {
		expired = func(mark) bool { return true }
	}
	var merged mark
	s.marks = slices.DeleteFunc(s.marks, func(m mark) bool {
		if !expired(m) {
			return false
		}
		if m.until.After(merged.until) {
			merged.until = m.until
		}
		return true
	})
	s.marks = append(s.marks, merged)
}
