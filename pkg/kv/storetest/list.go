package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var listTests = []test{
	{"keys come in the order of their bytes", func(s *space) {
		s.fill("b", "a", "a\x00", "a\xff", "\xff", "aa", "é", "Z", "\x00")
		s.equal("keys", s.keys(""), []string{"\x00", "Z", "a", "a\x00", "aa", "a\xff", "b", "é", "\xff"})
	}},

	{"a prefix is matched by bytes", func(s *space) {
		s.fill("a", "a/", "a/b", "a/b\x00", "a0", "ab", "\xff", "\xff\xff", "\xff\xffz", "é", "\xc3")
		for prefix, want := range map[string][]string{
			"a":        {"a", "a/", "a/b", "a/b\x00", "a0", "ab"},
			"a/":       {"a/", "a/b", "a/b\x00"},
			"a/b":      {"a/b", "a/b\x00"},
			"a/b\x00":  {"a/b\x00"},
			"\xff":     {"\xff", "\xff\xff", "\xff\xffz"},
			"\xff\xff": {"\xff\xff", "\xff\xffz"},
			"\xc3":     {"\xc3", "é"},
			"b":        {},
		} {
			s.equal(fmt.Sprintf("keys with %q", prefix), s.keys(prefix), want)
		}
	}},

	{"an empty namespace lists nothing", func(s *space) {
		page := s.list(kv.ListQuery{Limit: 10})
		if len(page.Entries)+len(page.Prefixes) != 0 || page.Cursor != "" {
			s.Fatalf("listed %+v", page)
		}
	}},

	{"entries are shown as they are read", func(s *space) {
		s.put("k", "value", withType("text/plain"), withMeta(map[string]string{"a": "b"}), withTTL(time.Hour))
		read := s.get("k")
		for _, values := range []bool{true, false} {
			page := s.list(kv.ListQuery{Limit: 10, Values: values})
			s.equal("entries", len(page.Entries), 1)
			e := page.Entries[0]
			if (e.Value != nil) != values || e.Source != kv.SourceDatabase {
				s.Fatalf("with values %v: %s", values, brief(e))
			}
			e.Value = read.Value
			if !same(e, read) {
				s.Fatalf("listed %s, read %s", brief(e), brief(read))
			}
		}
	}},

	{"pages of every size hold the same keys", func(s *space) {
		var keys []string
		for i := range 25 {
			keys = append(keys, fmt.Sprintf("k%02d", i))
		}
		s.fill(keys...)
		for limit := 1; limit <= 27; limit++ {
			got, _ := s.walk(kv.ListQuery{Limit: limit}, nil)
			s.equal(fmt.Sprintf("by %d", limit), got, keys)
		}
	}},

	{"a page of 1000", func(s *space) {
		keys := make([]string, kv.MaxPageEntries+1)
		for i := range keys {
			keys[i] = fmt.Sprintf("key %05d", i)
		}
		s.fill(keys...)
		got, _ := s.walk(kv.ListQuery{Limit: kv.MaxPageEntries}, nil)
		s.equal("keys", got, keys)
	}},

	{"a delimiter folds keys into prefixes", func(s *space) {
		s.fill("a", "dir/", "dir/a", "dir/b", "dir/sub/c", "dir0", "dir//x", "other/x", "/", "/root")
		for _, tt := range []struct {
			prefix, delimiter string
			keys, prefixes    []string
		}{
			{"", "/", []string{"a", "dir0"}, []string{"/", "dir/", "other/"}},
			{"dir/", "/", []string{"dir/", "dir/a", "dir/b"}, []string{"dir//", "dir/sub/"}},
			{"dir", "/", []string{"dir0"}, []string{"dir/"}},
			{"dir/sub/", "/", []string{"dir/sub/c"}, []string{}},
			{"", "ir/", []string{"/", "/root", "a", "dir0", "other/x"}, []string{"dir/"}},
			{"", "//", []string{"/", "/root", "a", "dir/", "dir/a", "dir/b", "dir/sub/c", "dir0", "other/x"}, []string{"dir//"}},
			{"", "nowhere", []string{"/", "/root", "a", "dir/", "dir//x", "dir/a", "dir/b", "dir/sub/c", "dir0", "other/x"}, []string{}},
			{"none", "/", []string{}, []string{}},
		} {
			for limit := 1; limit <= 12; limit++ {
				keys, prefixes := s.walk(kv.ListQuery{Prefix: tt.prefix, Delimiter: tt.delimiter, Limit: limit}, nil)
				what := fmt.Sprintf("of %q by %q, %d at a time", tt.prefix, tt.delimiter, limit)
				s.equal("keys "+what, keys, tt.keys)
				s.equal("prefixes "+what, prefixes, tt.prefixes)
			}
		}
	}},

	{"a delimiter of bytes that have no next", func(s *space) {
		s.fill("\xff", "\xff\xff", "\xff\xffa", "\xff\xff\xff", "a\xff", "a\xffb", "a")
		for limit := 1; limit <= 5; limit++ {
			keys, prefixes := s.walk(kv.ListQuery{Delimiter: "\xff", Limit: limit}, nil)
			s.equal("keys", keys, []string{"a"})
			s.equal("prefixes", prefixes, []string{"a\xff", "\xff"})
			keys, prefixes = s.walk(kv.ListQuery{Prefix: "\xff", Delimiter: "\xff", Limit: limit}, nil)
			s.equal("keys", keys, []string{"\xff"})
			s.equal("prefixes", prefixes, []string{"\xff\xff"})
		}
	}},

	{"prefixes count towards the limit, however many keys they hold", func(s *space) {
		var keys []string
		for _, dir := range []string{"a", "b", "c", "d"} {
			for i := range 300 {
				keys = append(keys, fmt.Sprintf("%s/%03d", dir, i))
			}
		}
		s.fill(keys...)
		page := s.list(kv.ListQuery{Delimiter: "/", Limit: 3})
		if len(page.Prefixes) > 3 || len(page.Entries) != 0 || page.Cursor == "" {
			s.Fatalf("listed %v and %d entries", page.Prefixes, len(page.Entries))
		}
		_, prefixes := s.walk(kv.ListQuery{Delimiter: "/", Limit: 3}, nil)
		s.equal("prefixes", prefixes, []string{"a/", "b/", "c/", "d/"})
	}},

	{"a prefix whose keys are all gone is not shown", func(s *space) {
		s.fill("deleted/a", "deleted/b", "half/a", "half/b", "x")
		s.delete("deleted/a")
		s.delete("deleted/b")
		s.delete("half/a")
		s.lapsed("expired/a")
		keys, prefixes := s.walk(kv.ListQuery{Delimiter: "/", Limit: 1}, nil)
		s.equal("keys", keys, []string{"x"})
		s.equal("prefixes", prefixes, []string{"half/"})
	}},

	{"pages skip over many keys that are gone", func(s *space) {
		var keys []string
		for i := range 700 {
			keys = append(keys, fmt.Sprintf("k%03d", i))
		}
		s.fill(keys...)
		ops := make([]kv.Operation, 0, len(keys))
		for _, key := range keys[1:699] {
			ops = append(ops, deleteOp(key))
		}
		s.batch(ops...)
		got, _ := s.walk(kv.ListQuery{Limit: 1}, nil)
		s.equal("keys", got, []string{"k000", "k699"})
	}},

	{"a page with values closes at its size", func(s *space) {
		large := string(make([]byte, 3<<20))
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			s.put(key, large)
		}
		q := kv.ListQuery{Limit: 100, Values: true}
		total, pages := 0, 0
		for {
			page := s.list(q)
			pages++
			total += len(page.Entries)
			size := 0
			for i, e := range page.Entries {
				if size > kv.MaxPageBytes {
					s.Fatalf("the page goes on after %d bytes, with entry %d", size, i)
				}
				size += len(e.Value)
			}
			if page.Cursor == "" {
				break
			}
			q.Cursor = page.Cursor
		}
		if total != 6 || pages < 2 {
			s.Fatalf("%d entries in %d pages", total, pages)
		}
		s.equal("entries of a page without values", len(s.list(kv.ListQuery{Limit: 100}).Entries), 6)
	}},

	{"a cursor is bound to prefix and delimiter", func(s *space) {
		s.fill("a/1", "a/2", "a/3", "b/1", "b/2")
		q := kv.ListQuery{Prefix: "a/", Limit: 1}
		cursor := s.list(q).Cursor
		if cursor == "" {
			s.Fatal("no cursor")
		}
		for name, other := range map[string]kv.ListQuery{
			"another prefix":    {Prefix: "b/", Limit: 1, Cursor: cursor},
			"no prefix":         {Limit: 1, Cursor: cursor},
			"a delimiter":       {Prefix: "a/", Delimiter: "/", Limit: 1, Cursor: cursor},
			"a broken cursor":   {Prefix: "a/", Limit: 1, Cursor: cursor[1:]},
			"a made-up cursor":  {Prefix: "a/", Limit: 1, Cursor: "AAAA"},
			"no cursor at all?": {Prefix: "a/", Limit: 1, Cursor: "?"},
		} {
			_, err := s.Store.List(s.Context(), s.ns, other)
			s.wantCode(err, kv.CodeInvalidArgument, "%s", name)
		}
		q.Cursor, q.Limit, q.Values = cursor, 100, true // these may change
		s.equal("the rest", len(s.list(q).Entries), 2)
	}},

	{"a cursor outlives the key that it stands at", func(s *space) {
		s.fill("a", "b", "c", "d", "e")
		q := kv.ListQuery{Limit: 2}
		q.Cursor = s.list(q).Cursor
		s.delete("b")
		s.delete("c")
		s.fill("bb", "a0")
		got, _ := s.walk(q, nil)
		for _, key := range []string{"d", "e"} {
			if !slices.Contains(got, key) {
				s.Fatalf("after the cursor: %v", got)
			}
		}
		if slices.Contains(got, "a0") || slices.Contains(got, "a") {
			s.Fatalf("before the cursor: %v", got)
		}
	}},

	{"pages under concurrent change neither skip nor repeat what stays", exerciseStableCursor},

	{"a watch from a list's position misses nothing", func(s *space) {
		const n = 150
		var wg sync.WaitGroup
		defer wg.Wait()
		for w := range 3 {
			wg.Go(func() {
				for i := range n / 3 {
					if _, err := s.apply(putOp(fmt.Sprintf("k%02d", (i*7+w)%20), fmt.Sprintf("%d %d", w, i))); err != nil {
						s.Errorf("put: %v", err)
						return
					}
				}
			})
		}
		pages := make([]kv.ListPage, 0, 100)
		for range cap(pages) {
			pages = append(pages, s.list(kv.ListQuery{Limit: 1000, Values: true}))
		}
		wg.Wait()
		want := map[string]string{}
		for _, e := range s.list(kv.ListQuery{Limit: 1000, Values: true}).Entries {
			want[e.Key] = string(e.Value)
		}
		for _, page := range pages {
			got, version := map[string]string{}, map[string]kv.Version{}
			for _, e := range page.Entries {
				got[e.Key], version[e.Key] = string(e.Value), e.Version
			}
			for _, c := range s.changes(page.Position) {
				if c.Version > version[c.Key] {
					got[c.Key] = string(c.Value)
				}
			}
			s.equal("list and changes", got, want)
		}
	}},
}

// walk reads all pages and calls between after each that has a next one. It
// holds that keys and prefixes come in order, none twice.
func (s *space) walk(q kv.ListQuery, between func()) (keys, prefixes []string) {
	s.Helper()
	keys, prefixes = []string{}, []string{}
	for range 10_000 {
		page := s.list(q)
		for _, e := range page.Entries {
			if len(keys) > 0 && e.Key <= keys[len(keys)-1] {
				s.Fatalf("key %q after %q", e.Key, keys[len(keys)-1])
			}
			if !strings.HasPrefix(e.Key, q.Prefix) {
				s.Fatalf("key %q has not the prefix %q", e.Key, q.Prefix)
			}
			keys = append(keys, e.Key)
		}
		for _, p := range page.Prefixes {
			if len(prefixes) > 0 && p <= prefixes[len(prefixes)-1] {
				s.Fatalf("prefix %q after %q", p, prefixes[len(prefixes)-1])
			}
			prefixes = append(prefixes, p)
		}
		if page.Cursor == "" {
			return keys, prefixes
		}
		q.Cursor = page.Cursor
		if between != nil {
			between()
		}
	}
	s.Fatal("the list never ends")
	return nil, nil
}

// exerciseStableCursor lists keys that stay, while others come and go between
// the pages.
func exerciseStableCursor(s *space) {
	random := rand.New(rand.NewPCG(7, 7))
	var stable, stableDirs []string
	for i := range 20 {
		stable = append(stable, fmt.Sprintf("k%02d", i*5))
		stableDirs = append(stableDirs, fmt.Sprintf("m%02d/", i*5))
		s.fill(stable[i], stableDirs[i]+"stays")
	}
	volatile := func() string {
		n := random.IntN(100)
		switch random.IntN(3) {
		case 0:
			return fmt.Sprintf("k%02d.", n)
		case 1:
			return fmt.Sprintf("m%02d/%d", n, random.IntN(3))
		default:
			return fmt.Sprintf("m%02d.", n)
		}
	}
	churn := func() {
		ops := make([]kv.Operation, 0, 24)
		for range cap(ops) {
			if random.IntN(2) == 0 {
				ops = append(ops, putOp(volatile(), "v"))
			} else {
				ops = append(ops, deleteOp(volatile()))
			}
		}
		s.batch(ops...)
	}
	kept := func(what string, got, want []string) {
		s.Helper()
		seen := map[string]int{}
		for _, g := range got {
			seen[g]++
		}
		for _, w := range want {
			if seen[w] != 1 {
				s.Fatalf("%s: %q came %d times", what, w, seen[w])
			}
		}
	}
	for limit := 1; limit <= 9; limit += 2 {
		churn()
		keys, prefixes := s.walk(kv.ListQuery{Delimiter: "/", Limit: limit}, churn)
		kept("keys", keys, stable)
		kept("prefixes", prefixes, stableDirs)
		keys, _ = s.walk(kv.ListQuery{Prefix: "m", Limit: limit}, churn)
		for i, dir := range stableDirs {
			kept("keys of "+dir, keys, []string{stableDirs[i] + "stays"})
		}
	}
}
