package storetest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var readTests = []test{
	{"a key that never was is not found", func(s *space) {
		if v := s.absent("nobody"); v != 0 {
			s.Fatalf("its version is %d", v)
		}
		_, err := s.apply(getOp("nobody"))
		s.wantCode(err, kv.CodeNotFound, "get as an operation")
	}},

	{"an entry is read as it was written", func(s *space) {
		meta := map[string]string{"owner": "billing", "empty": ""}
		res := s.put("k", "value", withType("text/plain"), withMeta(meta))
		e := s.get("k")
		if string(e.Value) != "value" || e.ContentType != "text/plain" || e.Version != res.Version {
			s.Fatalf("read %s", brief(e))
		}
		s.equal("metadata", e.Meta, meta)
		if !e.CreatedAt.Equal(e.UpdatedAt) || !e.ExpiresAt.IsZero() || e.TTLLeft != 0 || e.Age != 0 {
			s.Fatalf("times of a new entry: %s", brief(e))
		}
		if s.Clock != nil && e.CreatedAt.Sub(s.Clock.Now()).Abs() >= time.Millisecond {
			s.Fatalf("created at %s, by a clock that says %s", e.CreatedAt, s.Clock.Now())
		}
	}},

	{"a get as an operation answers the entry", func(s *space) {
		v := s.put("k", "value").Version
		res := s.must(getOp("k"))
		if res.Entry == nil || string(res.Entry.Value) != "value" || res.Version != v || res.Entry.Version != v {
			s.Fatalf("answered %+v", res)
		}
	}},

	{"the version asked for at least is answered", func(s *space) {
		v := s.put("k", "1").Version
		e, err := s.Store.Get(s.Context(), s.ns, "k", kv.ReadOptions{MinVersion: v + 1<<40})
		if err != nil || e.Version != v {
			s.Fatalf("below a version that is not there yet: %s, %v", brief(e), err)
		}
	}},

	{"content type and metadata go with the value they came with", func(s *space) {
		s.put("k", "1", withType("text/plain"), withMeta(map[string]string{"a": "b"}))
		s.put("k", "2")
		if e := s.get("k"); e.ContentType != "" || len(e.Meta) != 0 {
			s.Fatalf("read %s", brief(e))
		}
	}},

	{"metadata at its limits is kept", func(s *space) {
		meta := map[string]string{"long": strings.Repeat("v", kv.MaxMetaBytes-4-63*8)}
		for i := range kv.MaxMetaPairs - 1 {
			meta["name"+string(rune('a'+i/26))+string(rune('a'+i%26))] = "xx"
		}
		op := putOp("k", "", withMeta(meta), withType(strings.Repeat("t", kv.MaxContentTypeBytes)))
		if err := op.Check(); err != nil {
			s.Fatal(err)
		}
		s.must(op)
		s.equal("metadata", s.get("k").Meta, meta)
	}},

	{"values of 0 bytes", func(s *space) {
		s.put("empty", "")
		s.must(kv.Operation{Kind: kv.KindPut, Key: "nil"})
		for _, key := range []string{"empty", "nil"} {
			if e := s.get(key); len(e.Value) != 0 || e.Size != 0 {
				s.Fatalf("read %s", brief(e))
			}
		}
		page := s.list(kv.ListQuery{Limit: 10, Values: true})
		s.equal("entries", len(page.Entries), 2)
	}},

	{"values of every size up to 8 MiB", func(s *space) {
		random := rand.New(rand.NewPCG(1, 2))
		for _, size := range []int{1, 1 << 10, 1<<10 + 1, 64 << 10, 64<<10 + 1, 1 << 20, kv.MaxValueBytes} {
			value := make([]byte, size)
			for i := range value {
				value[i] = byte(random.Uint32())
			}
			first := s.must(kv.Operation{Kind: kv.KindPut, Key: "k", Value: value})
			if e := s.get("k"); e.Size != int64(size) || !bytes.Equal(e.Value, value) {
				s.Fatalf("%d bytes: read %s", size, brief(e))
			}
			s.put("k", "next")
			e, err := s.Store.Version(s.Context(), s.ns, "k", first.Version)
			if err != nil || !bytes.Equal(e.Value, value) {
				s.Fatalf("%d bytes as a former version: read %s, %v", size, brief(e), err)
			}
		}
	}},

	{"keys of any bytes", func(s *space) {
		keys := slices.Clone(oddKeys)
		for i, key := range keys {
			s.put(key, "value of "+key, withMeta(map[string]string{"n": string(rune('a' + i%26))}))
		}
		for _, key := range keys {
			if e := s.get(key); string(e.Value) != "value of "+key {
				s.Fatalf("%q: read %s", key, brief(e))
			}
		}
		slices.Sort(keys)
		s.equal("all keys", s.keys(""), keys)
		for _, key := range keys {
			history, err := s.Store.History(s.Context(), s.ns, key, kv.HistoryQuery{Limit: 10})
			if err != nil || len(history.Versions) != 1 {
				s.Fatalf("%q: history %+v, %v", key, history, err)
			}
		}
		for i, key := range keys {
			if i%2 == 0 {
				s.delete(key)
			}
		}
		for i, key := range keys {
			if i%2 == 0 {
				s.absent(key)
			} else if e := s.get(key); string(e.Value) != "value of "+key {
				s.Fatalf("%q: read %s after others were deleted", key, brief(e))
			}
		}
	}},

	{"the change log goes on where a read stood", func(s *space) {
		s.put("k", "1")
		read := s.get("k")
		next := s.put("k", "2")
		for _, consistency := range []kv.Consistency{kv.Strong, kv.Shared} {
			changes := s.changes(read.Position)
			if len(changes) != 1 || changes[0].Version != next.Version {
				s.Fatalf("consistency %d: after the read's position: %+v", consistency, changes)
			}
		}
		s.delete("k")
		e, _ := s.Store.Get(s.Context(), s.ns, "k", kv.ReadOptions{Consistency: kv.Strong})
		again := s.put("k", "3")
		if changes := s.changes(e.Position); len(changes) != 1 || changes[0].Version != again.Version {
			s.Fatalf("after the position of a read that found nothing: %+v", changes)
		}
	}},

	{"the store answers", func(s *space) {
		if err := s.Store.Ping(s.Context()); err != nil {
			s.Fatal(err)
		}
	}},

	{"what was written is there after opening again", func(s *space) {
		meta := map[string]string{"a": "b"}
		s.put("kept", "value", withType("text/plain"), withMeta(meta), withTTL(time.Hour))
		s.put("deleted", "value")
		gone := s.delete("deleted")
		before, head, usage := s.get("kept"), s.head(), s.namespace()
		s.reopen()
		if after := s.get("kept"); !same(after, before) {
			s.Fatalf("read %s, before %s", brief(after), brief(before))
		}
		if v := s.absent("deleted"); v != gone {
			s.Fatalf("deleted at version %d, before %d", v, gone)
		}
		s.equal("head", s.head(), head)
		s.equal("usage", s.namespace(), usage)
		s.equal("changes", len(s.changes(0)), 3)
	}},
}

// oddKeys are keys that some encoding gets wrong.
var oddKeys = []string{
	"\x00", "\x00\x00", "\x00\x01", "\x01", "a", "a\x00", "a\x00\x00", "a\x00\xff", "a\x00b", "a\x01", "a\xff", "a\xff\xff", "ab",
	"/", "//", "/a", "a/", "a//b", ".", "..", "../a", "%00", "%2F", " ", "a b", "a\nb", "a\rb", "\t",
	"\xff", "\xff\x00", "\xff\xff", "\xc3\x28", "\xed\xa0\x80", "é", "e\u0301", "日本語", "\U0001F511", "\ufeff", "\u202e",
	strings.Repeat("k", kv.MaxKeyBytes), strings.Repeat("\x00", kv.MaxKeyBytes), strings.Repeat("\xff", kv.MaxKeyBytes),
	strings.Repeat("k", kv.MaxKeyBytes-1),
}
