package request

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/trivetkv/trivet/pkg/kv"
)

// refusal holds an error against what a client may be told: invalid_argument,
// with a field and a detail of bounded length that are valid UTF-8.
func refusal(t *testing.T, err error) {
	t.Helper()
	e := kv.AsError(err)
	if e.Code != kv.CodeInvalidArgument && e.Code != kv.CodeTooLarge || e.Field == "" || e.Detail == "" {
		t.Fatalf("refused with %+v", e)
	}
	if !utf8.ValidString(e.Field+e.Detail) || len(e.Field) > 200 || len(e.Detail) > 400 {
		t.Fatalf("refused with a text that is out of bounds: %+v", e)
	}
}

func FuzzEntityTags(f *testing.F) {
	for _, seed := range []string{"*", `"1"`, `W/"1", "2"`, `"",,`, `"1" "2"`, `"`, "1", `"9223372036854775808"`, "\"\xff\""} {
		f.Add(seed, "")
	}
	f.Add(`"1"`, `"2"`)
	f.Fuzz(func(t *testing.T, one, two string) {
		values := []string{one}
		if two != "" {
			values = append(values, two)
		}
		tags, err := ParseEntityTags("If-Match", values)
		if err != nil {
			refusal(t, err)
			return
		}
		if tags.any == (len(tags.tags) > 0) {
			t.Fatalf("got %+v", tags)
		}
		for _, v := range tags.Versions() {
			if v <= 0 || !tags.MatchesStrong(v) || !tags.MatchesWeak(v) {
				t.Fatalf("%q names version %d and does not match it", values, v)
			}
			if !strings.Contains(strings.Join(values, ","), EntityTag(v)) {
				t.Fatalf("%q does not have version %d", values, v)
			}
		}
		if tags.Versions() == nil {
			t.Fatal("no version is any version")
		}
	})
}

func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=5-", "bytes=-5", "bytes=-0", "bytes=1-0", "bytes=0-1,2-3", "bytes=99999999999999999999-", "x", ""} {
		f.Add(seed, int64(10))
		f.Add(seed, int64(0))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		r, ok, satisfiable := ParseRange(header, size)
		switch {
		case !satisfiable && !ok:
			t.Fatal("a range that is ignored cannot be unsatisfiable")
		case ok && satisfiable && (r.Start < 0 || r.Length < 1 || r.Start > size-r.Length):
			t.Fatalf("%q of %d bytes is %+v", header, size, r)
		}
	})
}

func FuzzPrefer(f *testing.F) {
	for _, seed := range []string{"respond-async", `a="b,respond-async"`, "a;b=c, Respond-Async ; x", `"\`, ",;="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if Prefers([]string{value}, "respond-async") && !strings.Contains(strings.ToLower(value), "respond-async") {
			t.Fatalf("%q does not have it", value)
		}
		if !strings.ContainsAny(value, `"\`) && !Prefers([]string{value + ", respond-async"}, "respond-async") {
			t.Fatalf("%q hides it", value)
		}
	})
}

func FuzzCacheControl(f *testing.F) {
	for _, seed := range []string{"no-cache", "max-age=5", `max-age="5"`, "max-age=0", "max-age=-1", `x="no-cache", max-age=99999999999999999999`, "max-age"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		opts, err := ReadOptions(http.Header{"Cache-Control": {value}})
		if err != nil {
			refusal(t, err)
			return
		}
		if (opts.Consistency == kv.Local) != (opts.MaxAge > 0) || opts.MaxAge < 0 || opts.MaxAge%time.Second != 0 || opts.MaxAge > maxAgeSeconds*time.Second {
			t.Fatalf("%q is %+v", value, opts)
		}
	})
}

func FuzzPutHeaders(f *testing.F) {
	f.Add("90s", "text/plain", "team", "blue")
	f.Add("0", "", "", "")
	f.Add("87600h", "\x00", "A-b", " x")
	f.Add("-1ns", "é", "a_b", "\xff")
	f.Fuzz(func(t *testing.T, ttl, contentType, name, value string) {
		h := http.Header{"Trivet-Ttl": {ttl}, "Content-Type": {contentType}}
		h[http.CanonicalHeaderKey(MetaPrefix+name)] = []string{value}
		op := kv.Operation{Kind: kv.KindPut, Key: "k"}
		if err := PutHeaders(h, &op); err != nil {
			refusal(t, err)
			return
		}
		if op.TTL < kv.MinTTL || op.TTL > kv.MaxTTL {
			t.Fatalf("the time to live is %v", op.TTL)
		}
		// What is taken has to travel back as headers.
		text := fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n", op.ContentType)
		for name, value := range op.Meta {
			text += MetaPrefix + name + ": " + value + "\r\n"
		}
		got, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text + "\r\n")))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for name, value := range op.Meta {
			if back := got.Header.Get(MetaPrefix + name); back != value {
				t.Fatalf("the metadata %q is %q, and comes back as %q", name, value, back)
			}
		}
	})
}

func FuzzIdempotencyKey(f *testing.F) {
	f.Add("k")
	f.Add("")
	f.Add(strings.Repeat("x", 256))
	f.Fuzz(func(t *testing.T, given string) {
		key, err := IdempotencyKey(http.Header{"Idempotency-Key": {given}})
		if err != nil {
			refusal(t, err)
			return
		}
		if key != given || key == "" || len(key) > maxIdempotencyKeyBytes {
			t.Fatalf("%q is %q", given, key)
		}
	})
}

func FuzzKeyOfAPath(f *testing.F) {
	for _, seed := range []string{"a", "a%2Fb", "%00", "..", "//", "YQ", "%zz", "%", "\xff", "a+b"} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, rest string, base64url bool) {
		encoding := ""
		if base64url {
			encoding = kv.KeyEncodingBase64
		}
		key, err := Key(rest, encoding)
		if err != nil {
			refusal(t, err)
			return
		}
		if key == "" || len(key) > kv.MaxKeyBytes {
			t.Fatalf("%q is a key of %d bytes", rest, len(key))
		}
		// Every key can be named in both ways.
		if again, err := Key(url.PathEscape(key), ""); err != nil || again != key {
			t.Fatalf("%q comes back as %q, %v", key, again, err)
		}
		if again, err := Key(base64.RawURLEncoding.EncodeToString([]byte(key)), kv.KeyEncodingBase64); err != nil || again != key {
			t.Fatalf("%q comes back as %q, %v", key, again, err)
		}
	})
}

// FuzzPath holds the path against what the client sent: the bytes of the
// request line.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/v1/kv/ns/k", "/v1/kv/ns//", "/v1/kv/ns/a%2Fb/increment", "//", "/v1/kv/ns/../x", "http://h/v1/kv/ns/k", "*", "/v1/kv/ns/k#x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")))
		if err != nil {
			return
		}
		path := RawPath(got)
		if path == "" || path[0] != '/' && target != "*" {
			t.Fatalf("%q has the path %q", target, path)
		}
		if !strings.Contains(target, path) && path != "/" {
			t.Fatalf("%q has the path %q, which is no part of it", target, path)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"limit=1&prefix=a%2Fb", "limit=1&limit=2", "%zz", "a=1;b=2", "prefix=+&&", "limit=0x1", "=x"} {
		f.Add(seed)
	}
	known := []string{"prefix", "limit", "values"}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := ParseQuery(raw, known)
		if err != nil {
			refusal(t, err)
			return
		}
		for name := range q {
			if !slices.Contains(known, name) {
				t.Fatalf("%q has the parameter %q", raw, name)
			}
		}
		if limit, err := q.Limit(); err != nil {
			refusal(t, err)
		} else if limit < 1 || limit > kv.MaxPageEntries {
			t.Fatalf("%q has the limit %d", raw, limit)
		}
		if _, err := q.Boolean("values", true); err != nil {
			refusal(t, err)
		}
	})
}
