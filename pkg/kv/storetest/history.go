package storetest

import (
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var historyTests = []test{
	{"a key that never was has none", func(s *space) {
		page, err := s.Store.History(s.Context(), s.ns, "nobody", kv.HistoryQuery{Limit: 10})
		if err != nil || len(page.Versions) != 0 || page.Cursor != "" {
			s.Fatalf("history %+v, %v", page, err)
		}
	}},

	{"every version is there, the newest first", func(s *space) {
		want := []kv.HistoryEntry{
			{Version: s.put("k", "1", withType("text/plain")).Version, Op: kv.ChangePut, Size: 1, ContentType: "text/plain"},
			{Version: s.put("k", "22").Version, Op: kv.ChangePut, Size: 2},
			{Version: s.delete("k"), Op: kv.ChangeDelete},
			{Version: s.put("k", "").Version, Op: kv.ChangePut},
			{Version: s.must(incrementOp("n", 1)).Version}, // of another key
			{Version: s.txn(kv.Txn{Success: []kv.Operation{putOp("k", "4444")}}).Results[0].Version, Op: kv.ChangePut, Size: 4},
		}
		want = append(want[:4], want[5])
		got := s.history("k", 100)
		s.equal("versions", len(got), len(want))
		for i, w := range want {
			g := got[len(got)-1-i]
			if g.Version != w.Version || g.Op != w.Op || g.Size != w.Size || g.ContentType != w.ContentType || g.At.IsZero() {
				s.Fatalf("version %d of %d: %+v, want %+v", i, len(want), g, w)
			}
		}
	}},

	{"pages of every size hold the same versions", func(s *space) {
		for i := range 12 {
			s.put("k", fmt.Sprint(i))
			s.put("k\x00", "the next key")
			s.put("j\xff", "the key before")
		}
		all := s.history("k", 100)
		s.equal("versions", len(all), 12)
		for limit := 1; limit <= 13; limit++ {
			s.equal(fmt.Sprintf("by %d", limit), s.history("k", limit), all)
		}
	}},

	{"a cursor that no history answered is refused", func(s *space) {
		s.put("k", "1")
		_, err := s.Store.History(s.Context(), s.ns, "k", kv.HistoryQuery{Limit: 1, Cursor: "?"})
		s.wantCode(err, kv.CodeInvalidArgument, "a made-up cursor")
	}},

	{"an expiry is a version", func(s *space) {
		s.needMaintainer()
		s.lapsed("k")
		s.sweepAll()
		got := s.history("k", 10)
		if len(got) != 2 || got[0].Op != kv.ChangeExpire || got[1].Op != kv.ChangePut {
			s.Fatalf("history %+v", got)
		}
	}},

	{"a former version is read as it was", func(s *space) {
		meta := map[string]string{"a": "b"}
		first := s.put("k", "one", withType("text/plain"), withMeta(meta))
		was := s.get("k")
		second := s.put("k", "two")
		deleted := s.delete("k")
		e := s.version("k", first.Version)
		if !same(e, was) {
			s.Fatalf("version read as %s, was %s", brief(e), brief(was))
		}
		if e := s.version("k", second.Version); string(e.Value) != "two" || len(e.Meta) != 0 {
			s.Fatalf("read %s", brief(e))
		}
		for name, v := range map[string]kv.Version{
			"a deletion": deleted, "never": deleted + 1, "before the first": first.Version - 1, "of nothing": 0,
		} {
			_, err := s.Store.Version(s.Context(), s.ns, "k", v)
			s.wantCode(err, kv.CodeNotFound, "%s", name)
		}
		_, err := s.Store.Version(s.Context(), s.ns, "other", first.Version)
		s.wantCode(err, kv.CodeNotFound, "another key's version")
	}},

	{"the current version is read by its number too", func(s *space) {
		v := s.put("k", "1").Version
		if e := s.version("k", v); !same(e, s.get("k")) {
			s.Fatalf("read %s", brief(e))
		}
	}},

	{"a restore writes a former version again", func(s *space) {
		meta := map[string]string{"a": "b"}
		first := s.put("k", "one", withType("text/plain"), withMeta(meta), withTTL(24*time.Hour)).Version
		second := s.put("k", "two").Version
		res := s.must(restoreOp("k", first))
		if res.Created || res.Version <= second || res.Entry == nil || string(res.Entry.Value) != "one" {
			s.Fatalf("answered %+v", res)
		}
		e := s.get("k")
		if string(e.Value) != "one" || e.ContentType != "text/plain" || !e.ExpiresAt.IsZero() || e.TTLLeft != 0 || e.Version != res.Version {
			s.Fatalf("read %s", brief(e))
		}
		s.equal("metadata", e.Meta, meta)
		s.equal("value before", string(s.version("k", second).Value), "two")
	}},

	{"a restore of the current version writes it again", func(s *space) {
		v := s.put("k", "1", withTTL(time.Hour)).Version
		if res := s.must(restoreOp("k", v)); res.Version <= v {
			s.Fatalf("version %d restored as %d", v, res.Version)
		}
		if e := s.get("k"); string(e.Value) != "1" || !e.ExpiresAt.IsZero() {
			s.Fatalf("read %s", brief(e))
		}
	}},

	{"a deleted key is restored", func(s *space) {
		v := s.put("k", "1").Version
		deleted := s.delete("k")
		res := s.must(restoreOp("k", v))
		if !res.Created || res.Version <= deleted {
			s.Fatalf("answered %+v", res)
		}
		s.equal("value", string(s.get("k").Value), "1")
	}},

	{"an expired key is restored, swept or not", func(s *space) {
		was := s.lapsed("unswept")
		s.must(restoreOp("unswept", was["unswept"]))
		s.equal("value", string(s.get("unswept").Value), "1")
		s.needMaintainer()
		was = s.lapsed("swept")
		s.sweepAll()
		if res := s.must(restoreOp("swept", was["swept"])); !res.Created {
			s.Fatalf("answered %+v", res)
		}
		s.equal("value", string(s.get("swept").Value), "1")
	}},

	{"a large value is restored", func(s *space) {
		large := make([]byte, kv.MaxValueBytes)
		large[0], large[len(large)-1] = 1, 2
		v := s.must(kv.Operation{Kind: kv.KindPut, Key: "k", Value: large}).Version
		s.delete("k")
		s.must(restoreOp("k", v))
		s.equal("value", string(s.get("k").Value) == string(large), true)
	}},

	{"what is no value cannot be restored", func(s *space) {
		v := s.put("k", "1").Version
		deleted := s.delete("k")
		s.refused(restoreOp("k", deleted), kv.CodeNotFound)
		s.refused(restoreOp("k", v-1), kv.CodeNotFound)
		s.refused(restoreOp("other", v), kv.CodeNotFound)
		s.absent("k")
	}},

	{"a version is kept for the retention after it was superseded", func(s *space) {
		s.needClock()
		s.needMaintainer()
		const retention = 24 * time.Hour
		s.settings(kv.Namespace{Retention: retention})
		first := s.put("k", "1").Version
		s.Clock.Advance(30 * retention) // a version that stands is not superseded
		s.compactAll()
		s.version("k", first)
		second := s.put("k", "2").Version
		s.Clock.Advance(retention - time.Hour)
		s.compactAll()
		s.equal("superseded, within retention", string(s.version("k", first).Value), "1")
		s.Clock.Advance(2 * time.Hour)
		s.compactAll()
		_, err := s.Store.Version(s.Context(), s.ns, "k", first)
		s.wantCode(err, kv.CodeNotFound, "past retention")
		s.refused(restoreOp("k", first), kv.CodeNotFound)
		s.equal("the version that stands", string(s.version("k", second).Value), "2")
		if h := s.history("k", 10); len(h) != 1 || h[0].Version != second {
			s.Fatalf("history %+v", h)
		}
	}},

	{"a deleted key can be restored for the whole retention", func(s *space) {
		s.needClock()
		s.needMaintainer()
		const retention = 24 * time.Hour
		s.settings(kv.Namespace{Retention: retention})
		v := s.put("k", "1").Version
		s.Clock.Advance(30 * retention)
		s.delete("k")
		s.Clock.Advance(retention - time.Hour)
		s.compactAll()
		s.must(restoreOp("k", v))
		s.equal("value", string(s.get("k").Value), "1")
		s.delete("k")
		s.Clock.Advance(retention + time.Hour)
		s.compactAll()
		s.refused(restoreOp("k", v), kv.CodeNotFound)
		s.absent("k")
		if h := s.history("k", 10); len(h) != 0 {
			s.Fatalf("history %+v", h)
		}
		s.equal("keys", s.namespace().Keys, int64(0))
	}},

	{"without retention compaction leaves what is live", func(s *space) {
		s.needClock()
		s.needMaintainer()
		s.settings(kv.Namespace{})
		s.put("live", "1")
		v := s.put("live", "2").Version
		s.put("gone", "1")
		s.delete("gone")
		large := string(make([]byte, 1<<20))
		s.put("large", "small")
		s.put("large", large)
		s.Clock.Advance(time.Minute)
		s.compactAll()
		if e := s.get("live"); e.Version != v || string(e.Value) != "2" {
			s.Fatalf("read %s", brief(e))
		}
		s.equal("the large value", string(s.get("large").Value) == large, true)
		s.absent("gone")
		if h := s.history("live", 10); len(h) != 1 {
			s.Fatalf("history %+v", h)
		}
	}},

	{"compaction does no more than it is asked for", func(s *space) {
		s.needClock()
		s.needMaintainer()
		s.settings(kv.Namespace{Retention: time.Minute})
		for range 30 {
			s.put("k", "1")
		}
		s.Clock.Advance(time.Hour)
		total := 0
		for range 100 {
			n, err := s.Maintainer.Compact(s.Context(), 7)
			if err != nil || n > 7 {
				s.Fatalf("compacted %d of at most 7: %v", n, err)
			}
			total += n
			if n == 0 {
				break
			}
		}
		if total < 29 {
			s.Fatalf("compacted %d rows in all", total)
		}
		s.equal("value", string(s.get("k").Value), "1")
	}},
}

// history reads the whole history of a key, a page of limit at a time.
func (s *space) history(key string, limit int) []kv.HistoryEntry {
	s.Helper()
	var all []kv.HistoryEntry
	q := kv.HistoryQuery{Limit: limit}
	for {
		page, err := s.Store.History(s.Context(), s.ns, key, q)
		if err != nil {
			s.Fatalf("history of %q: %v", key, err)
		}
		if len(page.Versions) > limit {
			s.Fatalf("a page of at most %d has %d", limit, len(page.Versions))
		}
		for _, h := range page.Versions {
			if len(all) > 0 && h.Version >= all[len(all)-1].Version {
				s.Fatalf("version %d after %d", h.Version, all[len(all)-1].Version)
			}
			all = append(all, h)
		}
		if page.Cursor == "" {
			return all
		}
		q.Cursor = page.Cursor
	}
}

func (s *space) version(key string, v kv.Version) kv.Entry {
	s.Helper()
	e, err := s.Store.Version(s.Context(), s.ns, key, v)
	if err != nil {
		s.Fatalf("version %d of %q: %v", v, key, err)
	}
	if e.Key != key || e.Version != v || e.Size != int64(len(e.Value)) {
		s.Fatalf("version %d of %q: %s", v, key, brief(e))
	}
	return e
}
