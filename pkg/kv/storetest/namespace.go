package storetest

import (
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var namespaceTests = []test{
	{"a namespace without writes has the defaults", func(s *space) {
		s.equal("namespace", s.namespace(), kv.Namespace{Name: s.ns, Retention: kv.DefaultRetention})
		s.absent("k")
		s.keys("")
		s.equal("namespaces", s.namespaces(10), []string{})
	}},

	{"a namespace exists from its first write", func(s *space) {
		s.refused(deleteOp("k"), kv.CodeNotFound)
		s.equal("namespaces after a refusal", s.namespaces(10), []string{})
		s.put("k", "1")
		s.equal("namespaces", s.namespaces(10), []string{s.ns})
		s.delete("k")
		s.equal("namespaces after a delete", s.namespaces(10), []string{s.ns})
	}},

	{"settings are kept, and replaced as a whole", func(s *space) {
		s.put("k", "1")
		for _, want := range []kv.Namespace{
			{DefaultTTL: time.Hour, Retention: 2 * time.Hour, MaxKeys: 5, MaxBytes: 1000},
			{Retention: 24 * time.Hour},
			{},
		} {
			want.Name = s.ns
			want.Keys, want.Bytes = 77, 77 // not settings
			got, err := s.Store.SetNamespace(s.Context(), want)
			if err != nil {
				s.Fatal(err)
			}
			want.Keys, want.Bytes = 1, 2
			s.equal("answered", got, want)
			s.equal("read", s.namespace(), want)
		}
	}},

	{"settings make a namespace exist and outlive opening again", func(s *space) {
		s.settings(kv.Namespace{DefaultTTL: time.Minute, MaxKeys: 3})
		s.equal("namespaces", s.namespaces(10), []string{s.ns})
		before := s.namespace()
		s.reopen()
		s.equal("namespace", s.namespace(), before)
	}},

	{"usage counts live keys and their bytes", exerciseUsage},

	{"a default time to live is that of writes without one", func(s *space) {
		ttl := s.shortly()
		s.put("before", "1")
		s.settings(kv.Namespace{DefaultTTL: ttl, Retention: kv.DefaultRetention})
		s.put("own", "1", withTTL(24*time.Hour))
		s.put("txn", "0", withTTL(24*time.Hour))
		s.txn(kv.Txn{Success: []kv.Operation{putOp("txn", "1")}})
		s.batch(putOp("batch", "1"))
		s.put("default", "1")
		if e := s.get("default"); e.TTLLeft <= 0 || e.TTLLeft > ttl {
			s.Fatalf("read %s", brief(e))
		}
		s.lapse("default", ttl)
		s.equal("keys", s.keys(""), []string{"before", "own"})
	}},

	{"a quota of keys refuses growth only", func(s *space) {
		s.settings(kv.Namespace{MaxKeys: 3, Retention: kv.DefaultRetention})
		s.fill("a", "b", "c")
		s.full(putOp("d", "1"), incrementOp("n", 1))
		s.put("a", "replaced")
		s.equal("namespace", s.namespace().Keys, int64(3))
		s.delete("b")
		s.put("d", "1")
		s.full(putOp("e", "1"))

		s.settings(kv.Namespace{MaxKeys: 1, Retention: kv.DefaultRetention}) // below what is there
		s.put("a", "replaced again")
		s.full(putOp("e", "1"))
		s.delete("a")
		s.delete("c")
		s.full(putOp("e", "1"))
		s.delete("d")
		s.put("e", "1")
	}},

	{"a quota of bytes refuses growth only", func(s *space) {
		s.settings(kv.Namespace{MaxBytes: 100, Retention: kv.DefaultRetention})
		s.put("k", string(make([]byte, 99))) // 100 with its key
		s.full(putOp("k", string(make([]byte, 100))), putOp("l", ""))
		s.put("k", string(make([]byte, 99)))
		s.put("k", string(make([]byte, 98)))
		s.put("l", "")
		s.settings(kv.Namespace{MaxBytes: 10, Retention: kv.DefaultRetention})
		s.full(putOp("k", string(make([]byte, 99))))
		s.put("k", string(make([]byte, 50)))
		s.delete("k")
		s.put("m", "fits now")
	}},

	{"a quota holds for batches, transactions and restores", func(s *space) {
		v := s.put("deleted", "1").Version
		s.delete("deleted")
		s.settings(kv.Namespace{MaxKeys: 1, Retention: kv.DefaultRetention})
		results := s.batch(putOp("a", "1"), putOp("b", "1"), putOp("a", "2"), deleteOp("a"), putOp("c", "1"))
		for i, want := range []kv.Code{"", kv.CodeQuotaExceeded, "", "", ""} {
			if codeOf(results[i].Err) != want {
				s.Fatalf("operation %d: %+v", i, results[i])
			}
		}
		_, err := s.Store.Txn(s.Context(), s.ns, kv.Txn{Success: []kv.Operation{putOp("c", "2"), putOp("d", "1")}}, kv.Identity{})
		s.wantCode(err, kv.CodeQuotaExceeded, "a transaction that grows")
		s.equal("value", string(s.get("c").Value), "1")
		s.txn(kv.Txn{Success: []kv.Operation{deleteOp("c"), putOp("d", "1")}})
		s.full(restoreOp("deleted", v))
		s.delete("d")
		s.must(restoreOp("deleted", v))
	}},

	{"namespaces do not see each other", func(s *space) {
		other := s.another()
		s.put("k", "here")
		other.put("k", "there")
		other.put("k2", "there")
		s.equal("here", string(s.get("k").Value), "here")
		s.equal("there", string(other.get("k").Value), "there")
		s.absent("k2")
		s.equal("keys here", s.keys(""), []string{"k"})
		s.equal("keys there", other.keys(""), []string{"k", "k2"})
		s.equal("changes here", len(s.changes(0)), 1)
		s.equal("changes there", len(other.changes(0)), 2)
		s.delete("k")
		s.equal("there", string(other.get("k").Value), "there")
		s.equal("history there", len(other.history("k", 10)), 1)
		there := other.put("k", "there, again").Version
		_, err := s.Store.Version(s.Context(), s.ns, "k", there)
		s.wantCode(err, kv.CodeNotFound, "a version of another namespace")
		s.equal("usage here", s.namespace().Keys, int64(0))
		s.equal("usage there", other.namespace().Keys, int64(2))
	}},

	{"names that are each other's prefixes stay apart", func(s *space) {
		names := []string{"a", "a-b", "aa", "a0", "ab"}
		for _, ns := range names {
			in := *s
			in.ns = ns
			in.put("k", ns)
			in.put("\x00", ns)
			in.put("b", ns)
		}
		for _, ns := range names {
			in := *s
			in.ns = ns
			s.equal("keys of "+ns, in.keys(""), []string{"\x00", "b", "k"})
			s.equal("value", string(in.get("k").Value), ns)
			s.equal("changes", len(in.changes(0)), 3)
		}
	}},

	{"names come in pages, in their order", func(s *space) {
		var want []string
		for i := range 7 {
			in := *s
			in.ns = fmt.Sprintf("name-%d", 6-i)
			in.put("k", "1")
			want = append(want, fmt.Sprintf("name-%d", i))
		}
		for limit := 1; limit <= 8; limit++ {
			s.equal(fmt.Sprintf("by %d", limit), s.namespaces(limit), want)
		}
		page, err := s.Store.Namespaces(s.Context(), "name-4", 10)
		if err != nil || len(page.Namespaces) != 2 || page.Namespaces[0].Keys != 1 || page.Cursor != "" {
			s.Fatalf("after name-4: %+v, %v", page, err)
		}
	}},

	{"reserved names are kept and never shown", func(s *space) {
		reserved := *s
		reserved.ns = "_reserved"
		reserved.put("k", "1")
		s.put("k", "2")
		s.equal("value", string(reserved.get("k").Value), "1")
		s.equal("keys", reserved.keys(""), []string{"k"})
		for _, limit := range []int{1, 10} {
			s.equal("namespaces", s.namespaces(limit), []string{s.ns})
		}
	}},
}

// namespaces lists all names, a page of limit at a time.
func (s *space) namespaces(limit int) []string {
	s.Helper()
	names, after := []string{}, ""
	for {
		page, err := s.Store.Namespaces(s.Context(), after, limit)
		if err != nil {
			s.Fatalf("namespaces: %v", err)
		}
		if len(page.Namespaces) > limit {
			s.Fatalf("a page of at most %d has %d", limit, len(page.Namespaces))
		}
		for _, n := range page.Namespaces {
			names = append(names, n.Name)
		}
		if page.Cursor == "" {
			return names
		}
		after = page.Cursor
	}
}

// full runs writes that the quota has to refuse.
func (s *space) full(ops ...kv.Operation) {
	s.Helper()
	for _, op := range ops {
		s.refused(op, kv.CodeQuotaExceeded)
	}
}

func exerciseUsage(s *space) {
	used := func(what string, keys, bytes int64) {
		s.Helper()
		if n := s.namespace(); n.Keys != keys || n.Bytes != bytes {
			s.Fatalf("%s: %d keys of %d bytes, want %d of %d", what, n.Keys, n.Bytes, keys, bytes)
		}
	}
	first := s.put("key", "12345").Version
	used("put", 1, 8)
	s.put("key", "1")
	used("replaced", 1, 4)
	s.must(incrementOp("key", 99))
	used("incremented", 1, 6)
	s.refused(putOp("key", "123456", onlyIf(ifAbsent)), kv.CodeAlreadyExists)
	used("refused", 1, 6)
	s.delete("key")
	used("deleted", 0, 0)
	s.must(restoreOp("key", first))
	used("restored", 1, 8)
	s.batch(putOp("a", "1"), putOp("b", "1"), deleteOp("a"))
	used("batch", 2, 10)
	s.txn(kv.Txn{Success: []kv.Operation{deleteOp("key"), putOp("c", "22"), putOp("b", "")}})
	used("transaction", 2, 4)
	large := string(make([]byte, 1<<20))
	s.put("b", large)
	used("large", 2, 4+1<<20)
	s.delete("b")
	used("large, deleted", 1, 3)
	s.lapsed("expired")
	s.put("expired", "22")
	used("put over expired", 2, 12)
	s.lapsed("swept")
	if s.Maintainer == nil {
		return
	}
	s.sweepAll()
	used("swept", 2, 12)
	if s.Reopen == nil {
		return
	}
	s.reopen()
	used("opened again", 2, 12)
}
