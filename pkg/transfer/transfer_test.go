package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/pkg/transfer"
)

// store is a store that hashes requests as the server does. It fails when a
// test says so, as a process that is killed does: with the write made or not.
type store struct {
	kv.Store

	mu     sync.Mutex
	calls  int
	before func(call int) error // the call is not made
	after  func(call int) error // the call was made, its answer is lost
}

var errKilled = errors.New("killed")

func open(t *testing.T, now func() time.Time) *store {
	t.Helper()
	s, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &store{Store: s}
}

func (s *store) hook(call func() error) error {
	s.mu.Lock()
	s.calls++
	n, before, after := s.calls, s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(n); err != nil {
			return err
		}
	}
	if err := call(); err != nil {
		return err
	}
	if after != nil {
		return after(n)
	}
	return nil
}

func (s *store) List(ctx context.Context, ns string, q kv.ListQuery) (page kv.ListPage, err error) {
	err = s.hook(func() error { page, err = s.Store.List(ctx, ns, q); return err })
	return page, err
}

func (s *store) Batch(ctx context.Context, ns string, ops []kv.Operation, id kv.Identity) (results []kv.Result, err error) {
	id.Hash = hash(ops)
	err = s.hook(func() error { results, err = s.Store.Batch(ctx, ns, ops, id); return err })
	return results, err
}

func (s *store) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (result kv.Result, err error) {
	id.Hash = hash([]kv.Operation{op})
	err = s.hook(func() error { result, err = s.Store.Apply(ctx, ns, op, id); return err })
	return result, err
}

func hash(ops []kv.Operation) [32]byte {
	text, err := json.Marshal(ops)
	if err != nil {
		panic(err)
	}
	return sha256.Sum256(text)
}

// fail lets calls after the first n fail.
func (s *store) fail(after int, made bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.before, s.after = 0, nil, nil
	hook := func(call int) error {
		if call > after {
			return errKilled
		}
		return nil
	}
	if made {
		s.after = hook
	} else {
		s.before = hook
	}
}

func (s *store) works() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = nil, nil
}

func put(t *testing.T, s *store, ns string, entries ...kv.Entry) {
	t.Helper()
	for _, e := range entries {
		op := kv.Operation{Kind: kv.KindPut, Key: e.Key, Value: e.Value, ContentType: e.ContentType, Meta: e.Meta}
		if !e.ExpiresAt.IsZero() {
			op.TTL = time.Until(e.ExpiresAt)
		}
		if _, err := s.Store.Apply(t.Context(), ns, op, kv.Identity{}); err != nil {
			t.Fatal(err)
		}
	}
}

func versions(t *testing.T, s *store, ns, key string) int {
	t.Helper()
	page, err := s.History(t.Context(), ns, key, kv.HistoryQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Versions)
}

func export(t *testing.T, s *store, ns string, format transfer.Format) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := transfer.Export(t.Context(), s, &out, transfer.ExportOptions{Namespace: ns, Format: format}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func fruits(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"key":"fruit/%06d","value":"dg=="}`+"\n", i)
	}
	return lines.String()
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var formats = []transfer.Format{transfer.JSONLines, transfer.CSV}

func TestWhateverAKeyHoldsComesBack(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			s := open(t, nil)
			put(t, s, "from",
				kv.Entry{Key: "plain", Value: []byte("text")},
				kv.Entry{Key: "empty", Value: []byte{}},
				kv.Entry{Key: "binary\xff\x00", Value: []byte{0, 0xff, '\r', '\n'}},
				kv.Entry{Key: "lines", Value: []byte("a\r\nb\rc\n\n\"d\",e")},
				kv.Entry{Key: "unix lines", Value: []byte("\na\n\nb\n")},
				kv.Entry{Key: "a,\"quoted\"\nkey", Value: []byte(`"`)},
				kv.Entry{Key: "\ufeffmark", Value: []byte("\ufeff")},
				kv.Entry{Key: " spaces ", Value: []byte("  ")},
				kv.Entry{Key: "described", Value: []byte("v"), ContentType: "text/plain", Meta: map[string]string{"owner": `a "b", c`}},
				kv.Entry{Key: "large", Value: bytes.Repeat([]byte{0xfe}, kv.MaxValueBytes)},
				kv.Entry{Key: "passing", Value: []byte("v"), ExpiresAt: time.Now().Add(time.Hour)},
			)
			before := export(t, s, "from", format)
			done, err := transfer.Import(t.Context(), s, strings.NewReader(before), transfer.ImportOptions{Namespace: "to", Format: format, OnConflict: transfer.Overwrite})
			if err != nil || done.Written != 11 || done.Repeated != 0 || done.Bytes != int64(len(before)) {
				t.Fatalf("%+v, %v", done, err)
			}
			for _, namespace := range []string{"from", "to"} {
				e, err := s.Get(t.Context(), namespace, "passing", kv.ReadOptions{})
				if err != nil || time.Until(e.ExpiresAt).Round(time.Minute) != time.Hour {
					t.Errorf("%+v, %v", e, err)
				}
				if _, err := s.Store.Apply(t.Context(), namespace, kv.Operation{Kind: kv.KindDelete, Key: "passing"}, kv.Identity{}); err != nil {
					t.Fatal(err)
				}
			}
			if from, to := export(t, s, "from", format), export(t, s, "to", format); from != to {
				t.Errorf("exported %.2000q, but it was %.2000q", to, from)
			}
		})
	}
}

func TestAnExportGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			s := open(t, nil)
			if _, err := transfer.Import(t.Context(), s, strings.NewReader(fruits(50)), transfer.ImportOptions{Namespace: "ns", Format: transfer.JSONLines}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "out")
			opts := transfer.ExportOptions{Namespace: "ns", Format: format, PageLimit: 7, Prefix: "fruit"}
			for range 3 {
				s.fail(2, false)
				if _, err := transfer.ExportFile(t.Context(), s, path, opts); !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				// What a process wrote behind its last checkpoint is not to stay.
				file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprint(file, `{"key":"fru`)
				_ = file.Close()
			}
			s.works()
			other := opts
			other.Prefix = ""
			if _, err := transfer.ExportFile(t.Context(), s, path, other); err == nil || !strings.Contains(err.Error(), "belongs to another transfer") {
				t.Errorf("with another prefix: %v", err)
			}
			done, err := transfer.ExportFile(t.Context(), s, path, opts)
			if err != nil || done.Entries != 50 || done.Position == 0 {
				t.Fatalf("%+v, %v", done, err)
			}
			content, err := os.ReadFile(path)
			if want := export(t, s, "ns", format); err != nil || string(content) != want || done.Bytes != int64(len(want)) {
				t.Errorf("%v; %q, want %q", err, content, want)
			}
			if _, err := os.Stat(path + transfer.ProgressSuffix); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the checkpoint is still there: %v", err)
			}
			if _, err := transfer.ExportFile(t.Context(), s, path, opts); err == nil || !strings.Contains(err.Error(), "exists") {
				t.Errorf("a complete file was written over: %v", err)
			}
		})
	}
}

func TestAnImportGoesOnAndWritesNothingTwice(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			s := open(t, nil)
			content := fruits(40_000)
			if format == transfer.CSV {
				content = strings.NewReplacer(`{"key":"`, "", `","value":"dg=="}`, ",v").Replace("{\"key\":\"key,value\n" + content)
			}
			path := writeFile(t, content)
			opts := transfer.ImportOptions{Namespace: "ns", Format: format, OnConflict: transfer.Fail}
			for i, calls := range []int{3, 20, 50} {
				s.fail(calls, i%2 == 0)
				if _, err := transfer.ImportFile(t.Context(), s, path, opts); !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
			}
			s.works()
			other := opts
			other.Namespace = "other"
			if _, err := transfer.ImportFile(t.Context(), s, path, other); err == nil || !strings.Contains(err.Error(), "belongs to another transfer") {
				t.Errorf("into another namespace: %v", err)
			}
			// With Fail, a write that is made twice would be refused.
			done, err := transfer.ImportFile(t.Context(), s, path, opts)
			if err != nil || done.Written != 40_000 || done.Repeated == 0 || done.Bytes != int64(len(content)) {
				t.Fatalf("%+v, %v", done, err)
			}
			if n := strings.Count(export(t, s, "ns", transfer.JSONLines), "\n"); n != 40_000 {
				t.Errorf("%d keys", n)
			}
			for i := 0; i < 40_000; i += 997 {
				if n := versions(t, s, "ns", fmt.Sprintf("fruit/%06d", i)); n != 1 {
					t.Errorf("%d versions of key %d", n, i)
				}
			}
			if _, err := os.Stat(path + transfer.ProgressSuffix); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the checkpoint is still there: %v", err)
			}
		})
	}
}

func TestAnImportThatIsDoneCanBeMadeAgain(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	path := writeFile(t, fruits(1))
	for i := range 2 {
		if done, err := transfer.ImportFile(t.Context(), s, path, transfer.ImportOptions{Namespace: "ns", Format: transfer.JSONLines, OnConflict: transfer.Overwrite}); err != nil || done.Repeated != 0 {
			t.Fatalf("%+v, %v", done, err)
		}
		if n := versions(t, s, "ns", "fruit/000000"); n != i+1 {
			t.Errorf("%d versions after %d imports", n, i+1)
		}
	}
}

func TestTimesToLiveAreThoseOfTheMomentOfTheWrite(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]bool{"the write was made": true, "the write was not made": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			now := start
			clock := func() time.Time { return now }
			s := open(t, clock)
			path := writeFile(t, `{"key":"k","value":"","expires_at":"2026-01-01T10:00:00Z"}`+"\n"+
				`{"key":"short","value":"","expires_at":"2026-01-01T00:30:00Z"}`+"\n"+
				`{"key":"gone","value":"","expires_at":"2025-12-31T23:59:59.999Z"}`+"\n")
			opts := transfer.ImportOptions{Namespace: "ns", Format: transfer.JSONLines, OnConflict: transfer.Overwrite, Now: clock}
			for range 3 {
				s.fail(0, made)
				if _, err := transfer.ImportFile(t.Context(), s, path, opts); !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				now = now.Add(time.Hour)
			}
			s.works()
			if _, err := transfer.ImportFile(t.Context(), s, path, opts); err != nil {
				t.Fatal(err)
			}
			e, err := s.Get(t.Context(), "ns", "k", kv.ReadOptions{})
			if want := start.Add(10 * time.Hour); err != nil || !e.ExpiresAt.Equal(want) {
				t.Errorf("it expires at %v, %v; want %v", e.ExpiresAt, err, want)
			}
			if n := versions(t, s, "ns", "k"); n != 1 {
				t.Errorf("%d versions", n)
			}
			for _, key := range []string{"short", "gone"} {
				if _, err := s.Get(t.Context(), "ns", key, kv.ReadOptions{}); kv.CodeOf(err) != kv.CodeNotFound {
					t.Errorf("%s: %v", key, err)
				}
			}
			if n := versions(t, s, "ns", "gone"); n != 0 {
				t.Errorf("an entry that was past its expiry was written")
			}
		})
	}
}

func TestAnImportThatIsTooOldIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := open(t, nil)
	path := writeFile(t, fruits(1))
	opts := transfer.ImportOptions{Namespace: "ns", Format: transfer.JSONLines, Now: func() time.Time { return now }}
	s.fail(0, true)
	if _, err := transfer.ImportFile(t.Context(), s, path, opts); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	s.works()
	now = now.Add(kv.RecordRetention + time.Minute)
	if _, err := transfer.ImportFile(t.Context(), s, path, opts); err == nil || !strings.Contains(err.Error(), "7 days") {
		t.Errorf("%v", err)
	}
}

func TestKeysThatExist(t *testing.T) {
	t.Parallel()
	const input = `{"key":"there","value":"bmV3"}` + "\n\n" + `{"key":"fresh","value":"bmV3"}` + "\n"
	for conflict, want := range map[transfer.Conflict]struct {
		value string
		done  transfer.Imported
		err   string
	}{
		transfer.Overwrite: {"new", transfer.Imported{Written: 2}, ""},
		transfer.Skip:      {"old", transfer.Imported{Written: 1, Existing: 1}, ""},
		transfer.Fail:      {"old", transfer.Imported{}, "line 1: the key exists (already_exists)"},
	} {
		t.Run(string(conflict), func(t *testing.T) {
			t.Parallel()
			s := open(t, nil)
			put(t, s, "ns", kv.Entry{Key: "there", Value: []byte("old")})
			done, err := transfer.Import(t.Context(), s, strings.NewReader(input), transfer.ImportOptions{Namespace: "ns", Format: transfer.JSONLines, OnConflict: conflict})
			if want.err == "" {
				done.Bytes = 0
				if err != nil || done != want.done {
					t.Errorf("%+v, %v", done, err)
				}
			} else if err == nil || err.Error() != want.err || kv.CodeOf(err) != kv.CodeAlreadyExists {
				t.Errorf("%v", err)
			}
			if e, err := s.Get(t.Context(), "ns", "there", kv.ReadOptions{}); err != nil || string(e.Value) != want.value {
				t.Errorf("%q, %v", e.Value, err)
			}
		})
	}
}

func TestTheLinesOfAKeyAreWrittenInTheirOrder(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	var lines strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&lines, "%d,%d\n", i%10, i)
	}
	if _, err := transfer.Import(t.Context(), s, strings.NewReader("key,value\n"+lines.String()), transfer.ImportOptions{Namespace: "ns", Format: transfer.CSV, OnConflict: transfer.Overwrite}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		e, err := s.Get(t.Context(), "ns", fmt.Sprint(i), kv.ReadOptions{})
		if want := fmt.Sprint(9990 + i); err != nil || string(e.Value) != want {
			t.Errorf("%q, %v; want %s", e.Value, err, want)
		}
	}
}

func TestABadLineIsNamedAndNothingBehindItIsWritten(t *testing.T) {
	t.Parallel()
	const good = `{"key":"k","value":"dg=="}` + "\n"
	long := strings.Repeat("k", kv.MaxKeyBytes+1)
	for name, test := range map[string]struct {
		format transfer.Format
		input  string
		want   string
	}{
		"no JSON":           {transfer.JSONLines, good + "\n" + "key,value\n", "line 3: body: "},
		"cut off":           {transfer.JSONLines, good + `{"key":"a","val`, "line 2: body: "},
		"unknown field":     {transfer.JSONLines, good + `{"key":"a","value":"","vaule":""}`, "line 2: vaule: unknown field"},
		"no key":            {transfer.JSONLines, good + `{"value":""}`, "line 2: key: the field is missing"},
		"no value":          {transfer.JSONLines, good + `{"key":"a"}`, "line 2: value: the field is missing"},
		"no base64":         {transfer.JSONLines, good + `{"key":"a","value":"?"}`, "line 2: value: "},
		"long key":          {transfer.JSONLines, good + `{"key":"` + long + `","value":""}`, "line 2: key: "},
		"no time":           {transfer.JSONLines, good + `{"key":"a","value":"","expires_at":"soon"}`, "line 2: expires_at: "},
		"metadata":          {transfer.JSONLines, good + `{"key":"a","value":"","meta":{"A":"b"}}`, "line 2: meta: "},
		"no header":         {transfer.CSV, "a,b\n", "line 1: a: unknown column"},
		"column twice":      {transfer.CSV, "key,value,key\n", "line 1: key: the column is there twice"},
		"no value column":   {transfer.CSV, "key\nb\n", "line 1: value: the column is missing"},
		"nothing":           {transfer.CSV, "", "line 1: key: the input is empty"},
		"too few cells":     {transfer.CSV, "key,value\nk,v\nk\n", "line 3: row: "},
		"below many lines":  {transfer.CSV, "key,value\nk,\"a\nb\n\nc\"\nk,v,w\n", "line 6: row: "},
		"open quote":        {transfer.CSV, "key,value\nk,v\nk,\"v\nk,v\n", "line 3: row: "},
		"very long":         {transfer.CSV, "key,value\nk,\"" + strings.Repeat("v", 17<<20), "line 2: the record is longer than 16 MiB"},
		"cell no base64":    {transfer.CSV, "key,value,value_encoding\nk,?,base64\n", "line 2: value: "},
		"cell's encoding":   {transfer.CSV, "key,value,value_encoding\nk,?,hex\n", "line 2: value_encoding: "},
		"cell no time":      {transfer.CSV, "key,value,expires_at\nk,v,soon\n", "line 2: expires_at: "},
		"cell no metadata":  {transfer.CSV, "key,value,meta\nk,v,{\n", "line 2: meta: "},
		"cell no key":       {transfer.CSV, "key,value\n,v\n", "line 2: key: "},
		"expires too late":  {transfer.CSV, "key,value,expires_at\nk,v,9999-01-01T00:00:00Z\n", "line 2: expires_at: "},
		"key's no encoding": {transfer.CSV, "key,value,key_encoding\nk,v,hex\n", "line 2: key_encoding: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, nil)
			behind := "\n" + `{"key":"behind","value":""}` + "\n"
			switch {
			case test.input == "":
				behind = ""
			case test.format == transfer.CSV:
				behind = "\nbehind,v\n"
			}
			_, err := transfer.Import(t.Context(), s, strings.NewReader(test.input+behind), transfer.ImportOptions{Namespace: "ns", Format: test.format, OnConflict: transfer.Overwrite})
			var line *transfer.LineError
			if !errors.As(err, &line) || !strings.HasPrefix(err.Error(), test.want) || kv.CodeOf(err) != kv.CodeInvalidArgument {
				t.Errorf("%v, want %s", err, test.want)
			}
			if n := versions(t, s, "ns", "behind"); n != 0 {
				t.Error("what is behind the line was written")
			}
		})
	}
}

func TestAMarkOfByteOrderIsNoPartOfAColumn(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	in := strings.NewReader("\ufeffvalue,key\r\nv,k\r\n")
	if _, err := transfer.Import(t.Context(), s, in, transfer.ImportOptions{Namespace: "ns", Format: transfer.CSV}); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(t.Context(), "ns", "k", kv.ReadOptions{}); err != nil || string(e.Value) != "v" {
		t.Errorf("%q, %v", e.Value, err)
	}
}

func TestWhatAListShowsCanBeImported(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	in := strings.NewReader(`{"key":"/w==","key_encoding":"base64","version":7,"value":"dg==","size":1,` +
		`"content_type":"text/plain","meta":{"a":"b"},"created_at":"2026-01-01T00:00:00.000Z","updated_at":"2026-01-01T00:00:00.000Z"}`)
	if _, err := transfer.Import(t.Context(), s, in, transfer.ImportOptions{Namespace: "ns", Format: transfer.JSONLines}); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(t.Context(), "ns", "\xff", kv.ReadOptions{}); err != nil || string(e.Value) != "v" || e.Meta["a"] != "b" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestALargeInputIsNotHeldInMemory(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	var mu sync.Mutex
	var largest int64
	var last transfer.Imported
	opts := transfer.ImportOptions{Namespace: "ns", Format: transfer.JSONLines, OnConflict: transfer.Overwrite}
	counted := &counting{}
	opts.Progress = func(i transfer.Imported) {
		mu.Lock()
		defer mu.Unlock()
		last = i
		largest = max(largest, counted.read()-i.Bytes)
	}
	if _, err := transfer.Import(t.Context(), s, counted, opts); err != nil {
		t.Fatal(err)
	}
	// Each lane has a batch that is filled, one that waits and one under way.
	if last.Bytes < 150<<20 || largest > 70<<20 {
		t.Errorf("%d bytes were done, up to %d were held", last.Bytes, largest)
	}
}

// counting is an input of 200 values of 750 KiB.
type counting struct {
	mu   sync.Mutex
	rest []byte
	n    int
	sum  int64
}

func (c *counting) read() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum
}

func (c *counting) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rest) == 0 {
		if c.n == 200 {
			return 0, io.EOF
		}
		c.n++
		c.rest = fmt.Appendf(nil, `{"key":"%d","value":"%s"}`+"\n", c.n%8, strings.Repeat("A", 1<<20))
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	c.sum += int64(n)
	return n, nil
}
