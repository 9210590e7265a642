package kv_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

func TestListQueriesAreChecked(t *testing.T) {
	t.Parallel()
	ok := kv.ListQuery{Prefix: "a", Limit: 1}
	for field, q := range map[string]kv.ListQuery{
		"":          {Prefix: strings.Repeat("p", 1024), Delimiter: "/", Limit: 1000, Cursor: ""},
		"prefix":    {Prefix: strings.Repeat("p", 1025), Limit: 1},
		"delimiter": {Delimiter: strings.Repeat("d", 1025), Limit: 1},
		"limit":     {Limit: 0},
		"cursor":    {Limit: 1, Cursor: ok.CursorAt("ab")},
	} {
		wantField(t, q.Check(), field)
	}
	for limit, field := range map[int]string{-1: "limit", 0: "limit", 1: "", 1000: "", 1001: "limit"} {
		wantField(t, kv.CheckLimit(limit), field)
	}
}

func TestACursorGoesOnWhereItWasMade(t *testing.T) {
	t.Parallel()
	for _, q := range []kv.ListQuery{{}, {Prefix: "a"}, {Prefix: "a", Delimiter: "/"}, {Prefix: "\xff\x00"}} {
		if start, err := q.Start(); err != nil || start != q.Prefix {
			t.Errorf("%+v starts at %q, %v", q, start, err)
		}
		for _, start := range []string{q.Prefix, q.Prefix + "\x00", q.Prefix + "é", q.Prefix + strings.Repeat("k", 1000)} {
			page := q
			page.Cursor = q.CursorAt(start)
			if got, err := page.Start(); err != nil || got != start {
				t.Errorf("%+v goes on at %q, %v; want %q", q, got, err, start)
			}
			page.Limit, page.Values = 7, true
			if _, err := page.Start(); err != nil {
				t.Errorf("with another limit: %v", err)
			}
		}
	}
}

func TestACursorIsBound(t *testing.T) {
	t.Parallel()
	q := kv.ListQuery{Prefix: "ab", Delimiter: "/", Limit: 1}
	cursor := q.CursorAt("abc")
	for name, other := range map[string]kv.ListQuery{
		"another prefix":                {Prefix: "abc", Delimiter: "/"},
		"no prefix":                     {Delimiter: "/"},
		"another delimiter":             {Prefix: "ab", Delimiter: "//"},
		"no delimiter":                  {Prefix: "ab"},
		"the same bytes, cut elsewhere": {Prefix: "a", Delimiter: "b/"},
	} {
		other.Cursor = cursor
		_, err := other.Start()
		if t.Run(name, func(t *testing.T) { wantField(t, err, "cursor") }); t.Failed() {
			return
		}
	}
}

func TestACursorThatNobodyMadeIsRefused(t *testing.T) {
	t.Parallel()
	q := kv.ListQuery{Prefix: "a"}
	good := q.CursorAt("ab")
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	anotherFormat := append([]byte{raw[0] + 1}, raw[1:]...)
	for _, cursor := range []string{
		"x", "?", "====", good[:8], good[1:], good + "!", "AAAAAAAAAAAA",
		base64.RawURLEncoding.EncodeToString(anotherFormat),
		q.CursorAt("Z"), // before the prefix
		q.CursorAt("a" + strings.Repeat("k", 1025)),
	} {
		q.Cursor = cursor
		_, err := q.Start()
		wantField(t, err, "cursor")
	}
}

func TestADelimiterFoldsBehindThePrefix(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ prefix, delimiter, key, want string }{
		{"", "/", "a/b/c", "a/"},
		{"a/", "/", "a/b/c", "a/b/"},
		{"a/", "/", "a/", ""},
		{"a", "/", "a/", "a/"},
		{"", "/", "/", "/"},
		{"", "/", "abc", ""},
		{"", "", "a/b", ""},
		{"", "--", "a-b--c--d", "a-b--"},
		{"a-", "--", "a--b", ""},
		{"", "\xff", "a\xff", "a\xff"},
	} {
		q := kv.ListQuery{Prefix: tt.prefix, Delimiter: tt.delimiter}
		if got, folded := q.Fold(tt.key); got != tt.want || folded != (tt.want != "") {
			t.Errorf("%q of %q by %q folds into %q, %v; want %q", tt.key, tt.prefix, tt.delimiter, got, folded, tt.want)
		}
	}
}

func TestAHistoryCursorGoesOnBelowAVersion(t *testing.T) {
	t.Parallel()
	if v, err := (kv.HistoryQuery{}).Below(); err != nil || v != 0 {
		t.Errorf("the first page is below %d, %v", v, err)
	}
	for _, v := range []kv.Version{1, 35, 36, 1767323045678901, 1<<53 - 1} {
		q := kv.HistoryQuery{Cursor: kv.HistoryQuery{}.CursorBelow(v)}
		if got, err := q.Below(); err != nil || got != v {
			t.Errorf("below %d, %v; want %d", got, err, v)
		}
	}
	for _, cursor := range []string{"?", "-1", "0", "zzzzzzzzzzzzzz", " 1"} {
		_, err := kv.HistoryQuery{Cursor: cursor}.Below()
		wantField(t, err, "cursor")
	}
}

func FuzzListCursor(f *testing.F) {
	q := kv.ListQuery{Prefix: "dir/", Delimiter: "/"}
	f.Add(q.Prefix, q.Delimiter, q.CursorAt("dir/a"))
	f.Add("", "", kv.ListQuery{}.CursorAt("\xff"))
	f.Add("", "", "AQ")
	f.Add("a", "", "not a cursor")
	f.Fuzz(func(t *testing.T, prefix, delimiter, cursor string) {
		q := kv.ListQuery{Prefix: prefix, Delimiter: delimiter, Cursor: cursor, Limit: 1}
		start, err := q.Start()
		if err != nil {
			if e := kv.AsError(err); e.Code != kv.CodeInvalidArgument || e.Field != "cursor" {
				t.Fatalf("refused with %+v", e)
			}
			return
		}
		if start < prefix || cursor != "" && len(start) > kv.MaxKeyBytes+1 {
			t.Fatalf("a page of %q starts at %q", prefix, start)
		}
		q.Cursor = q.CursorAt(start)
		if again, err := q.Start(); err == nil && again != start || err != nil && cursor != "" {
			t.Fatalf("the cursor at %q goes on at %q, %v", start, again, err)
		}
	})
}

func FuzzHistoryCursor(f *testing.F) {
	f.Add("")
	f.Add("hgf7x1")
	f.Add("-1")
	f.Fuzz(func(t *testing.T, cursor string) {
		v, err := kv.HistoryQuery{Cursor: cursor}.Below()
		if err != nil {
			return
		}
		if v < 0 || v == 0 && cursor != "" {
			t.Fatalf("%q is below %d", cursor, v)
		}
	})
}

func FuzzFold(f *testing.F) {
	f.Add("dir/", "/", "a/b")
	f.Add("", "ab", "aab")
	f.Fuzz(func(t *testing.T, prefix, delimiter, rest string) {
		q := kv.ListQuery{Prefix: prefix, Delimiter: delimiter}
		key := prefix + rest
		into, folded := q.Fold(key)
		if folded != (delimiter != "" && strings.Contains(rest, delimiter)) {
			t.Fatalf("%q folds: %v", key, folded)
		}
		if folded && (!strings.HasPrefix(key, into) || !strings.HasSuffix(into, delimiter) || !strings.HasPrefix(into, prefix) ||
			strings.Index(into[len(prefix):], delimiter) != len(into)-len(prefix)-len(delimiter)) {
			t.Fatalf("%q folds into %q", key, into)
		}
	})
}
