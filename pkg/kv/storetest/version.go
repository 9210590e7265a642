package storetest

import (
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var versionTests = []test{
	{"versions of a key rise through deletes and re-creates", func(s *space) {
		last := kv.Version(0)
		for range 20 {
			last = s.above(last, "k")
		}
	}},

	{"versions stay below 2^53", func(s *space) {
		if v := s.put("k", "1").Version; v >= 1<<53 {
			s.Fatalf("version %d", v)
		}
	}},

	{"a version is not below the clock in µs", func(s *space) {
		s.needClock()
		for range 3 {
			if v := s.put("k", "1").Version; int64(v) < s.Clock.Now().UnixMicro() {
				s.Fatalf("version %d at %d µs", v, s.Clock.Now().UnixMicro())
			}
			s.Clock.Advance(time.Hour)
		}
	}},

	{"versions rise though the clock steps back", func(s *space) {
		s.needClock()
		last := s.above(0, "k")
		for range 3 {
			s.Clock.StepBack(time.Hour)
			last = s.above(last, "k")
		}
		s.above(0, "new")
	}},

	{"versions rise though the clock stands still", func(s *space) {
		s.needClock()
		last := kv.Version(0)
		for range 50 {
			v := s.put("k", "1").Version
			if v <= last {
				s.Fatalf("version %d after %d", v, last)
			}
			last = v
		}
	}},

	{"versions rise over a compaction, a step back and opening again", func(s *space) {
		s.needClock()
		s.needMaintainer()
		s.settings(kv.Namespace{Retention: time.Hour})
		last := s.above(0, "k")
		last = max(last, s.delete("k"))
		s.Clock.Advance(2 * time.Hour)
		s.compactAll()
		s.Clock.StepBack(30 * 24 * time.Hour)
		res := s.put("k", "again")
		if !res.Created || res.Version <= last {
			s.Fatalf("version %d after the tombstone of version %d was compacted", res.Version, last)
		}
		last = s.delete("k")
		s.Clock.Advance(31 * 24 * time.Hour)
		s.compactAll()
		s.Clock.StepBack(60 * 24 * time.Hour)
		s.reopen()
		if v := s.put("k", "again").Version; v <= last {
			s.Fatalf("version %d after %d, opened again", v, last)
		}
	}},

	{"versions rise over opening again with a clock that stepped back", func(s *space) {
		s.needClock()
		last := s.above(0, "k")
		s.Clock.StepBack(24 * time.Hour)
		s.reopen()
		s.above(last, "k")
	}},

	{"a compare-and-set never meets an earlier version again", func(s *space) {
		s.needClock()
		s.needMaintainer()
		s.settings(kv.Namespace{Retention: time.Minute})
		stale := s.put("k", "1").Version
		s.delete("k")
		s.Clock.Advance(time.Hour)
		s.compactAll()
		s.Clock.StepBack(2 * time.Hour)
		s.put("k", "1")
		s.refused(putOp("k", "2", onlyIf(ifVersion(stale))), kv.CodeVersionMismatch)
	}},
}

// above writes a key in every way, holds that each version is above the one
// before, and gives the last.
func (s *space) above(last kv.Version, key string) kv.Version {
	s.Helper()
	first := s.put(key, "1").Version
	for _, v := range []kv.Version{
		first,
		s.must(incrementOp(key, 1)).Version,
		s.must(restoreOp(key, first)).Version,
		s.txn(kv.Txn{Success: []kv.Operation{putOp(key, "2")}}).Results[0].Version,
		s.batch(putOp(key, "3"))[0].Version,
		s.delete(key),
		s.put(key, "4").Version,
	} {
		if v <= last {
			s.Fatalf("version %d after %d", v, last)
		}
		last = v
	}
	return last
}
