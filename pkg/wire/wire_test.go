package wire_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

var at = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)

func encode(t *testing.T, shape any) string {
	t.Helper()
	data, err := wire.Marshal(shape)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "\n")
}

func wantJSON(t *testing.T, shape any, want string) {
	t.Helper()
	if got := encode(t, shape); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTheShapesAreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	entry := kv.Entry{
		Key: "k<&>", Version: 7, Value: []byte("hi"), Size: 2, ContentType: "text/plain",
		Meta: map[string]string{"b": "2", "a": "1"}, CreatedAt: at, UpdatedAt: at.Add(time.Second), ExpiresAt: at.Add(time.Hour),
	}
	wantJSON(t, wire.FromEntry(entry, true), `{"key":"k<&>","version":7,"value":"aGk=","size":2,"content_type":"text/plain","meta":{"a":"1","b":"2"},`+
		`"created_at":"2026-03-04T05:06:07.089Z","updated_at":"2026-03-04T05:06:08.089Z","expires_at":"2026-03-04T06:06:07.089Z"}`)
	bare := kv.Entry{Key: "\xff", Version: 1, CreatedAt: at, UpdatedAt: at}
	wantJSON(t, wire.FromEntry(bare, false),
		`{"key":"/w==","key_encoding":"base64","version":1,"size":0,"created_at":"2026-03-04T05:06:07.089Z","updated_at":"2026-03-04T05:06:07.089Z"}`)
	wantJSON(t, wire.FromListPage(kv.ListPage{Position: 9}, false), `{"entries":[],"prefixes":[],"position":9}`)
	wantJSON(t, wire.FromListPage(kv.ListPage{Entries: []kv.Entry{bare}, Prefixes: []string{"dir/"}, Cursor: "c", Position: 9}, true),
		`{"entries":[{"key":"/w==","key_encoding":"base64","version":1,"value":"","size":0,"created_at":"2026-03-04T05:06:07.089Z","updated_at":"2026-03-04T05:06:07.089Z"}],"prefixes":["dir/"],"cursor":"c","position":9}`)
	wantJSON(t, wire.FromListPage(kv.ListPage{Prefixes: []string{"a/", "\xff/"}}, false),
		`{"entries":[],"prefixes":["YS8=","/y8="],"prefix_encoding":"base64","position":0}`)
	wantJSON(t, wire.FromResult(kv.Result{Kind: kv.KindGet, Key: "k", Version: 7, Entry: &kv.Entry{Key: "k", Version: 7, CreatedAt: at, UpdatedAt: at}}, 200),
		`{"status":200,"key":"k","version":7,"value":"","size":0,"created_at":"2026-03-04T05:06:07.089Z","updated_at":"2026-03-04T05:06:07.089Z"}`)
	wantJSON(t, wire.FromResult(kv.Result{Kind: kv.KindPut, Key: "k", Version: 7, Created: true, Entry: &entry}, 201),
		`{"status":201,"key":"k","version":7,"size":2,"content_type":"text/plain","meta":{"a":"1","b":"2"},`+
			`"created_at":"2026-03-04T05:06:07.089Z","updated_at":"2026-03-04T05:06:08.089Z","expires_at":"2026-03-04T06:06:07.089Z"}`)
	wantJSON(t, wire.FromResult(kv.Result{Kind: kv.KindPut, Key: "k", Version: 7, Replayed: true}, 200), `{"status":200,"key":"k","version":7}`)
	wantJSON(t, wire.FromResult(kv.Result{Kind: kv.KindDelete, Key: "k", Version: 7}, 204), `{"status":204,"key":"k","version":7}`)
	wantJSON(t, wire.FromResult(kv.Result{Kind: kv.KindIncrement, Key: "k", Version: 7, Number: -5}, 200), `{"status":200,"key":"k","version":7,"value":"LTU="}`)
	problem := wire.Problem{Type: "/docs#code-conflict", Title: "Conflict", Status: 409, Code: kv.CodeConflict, Detail: "d", RequestID: "r"}
	wantJSON(t, wire.Result{Status: 409, Problem: &problem},
		`{"status":409,"problem":{"type":"/docs#code-conflict","title":"Conflict","status":409,"code":"conflict","detail":"d","request_id":"r"}}`)
	wantJSON(t, wire.FromHistoryPage(kv.HistoryPage{}), `{"versions":[]}`)
	wantJSON(t, wire.FromHistoryPage(kv.HistoryPage{Versions: []kv.HistoryEntry{{Version: 7, Op: kv.ChangeExpire, At: at}}, Cursor: "c"}),
		`{"versions":[{"version":7,"op":"expire","at":"2026-03-04T05:06:07.089Z","size":0}],"cursor":"c"}`)
	wantJSON(t, wire.FromChange(kv.Change{Kind: kv.ChangePut, Key: "k", Version: 7, At: at}, true),
		`{"key":"k","version":7,"value":"","at":"2026-03-04T05:06:07.089Z"}`)
	wantJSON(t, wire.FromChange(kv.Change{Kind: kv.ChangePut, Key: "k", Version: 7, Truncated: true, ContentType: "a/b", At: at}, true),
		`{"key":"k","version":7,"truncated":true,"content_type":"a/b","at":"2026-03-04T05:06:07.089Z"}`)
	wantJSON(t, wire.FromChange(kv.Change{Kind: kv.ChangeDelete, Key: "k", Version: 7, At: at}, true),
		`{"key":"k","version":7,"at":"2026-03-04T05:06:07.089Z"}`)
	wantJSON(t, wire.OperationState{ID: "i", State: kv.RecordPending}, `{"id":"i","state":"pending"}`)
	wantJSON(t, wire.OperationState{ID: "i", State: kv.RecordApplied, Status: 201, Version: 7}, `{"id":"i","state":"applied","status":201,"version":7}`)
	wantJSON(t, wire.IncrementResult{Value: -5, Version: 7}, `{"value":-5,"version":7}`)
	wantJSON(t, wire.FromNamespace(kv.Namespace{Name: "n", Retention: kv.DefaultRetention}), `{"name":"n","retention":"168h","keys":0,"bytes":0}`)
	wantJSON(t, wire.FromNamespace(kv.Namespace{Name: "n", DefaultTTL: 90 * time.Minute, MaxKeys: 1, MaxBytes: 2, Keys: 3, Bytes: 4}),
		`{"name":"n","default_ttl":"1h30m","retention":"0s","max_keys":1,"max_bytes":2,"keys":3,"bytes":4}`)
}

func TestDurationsHaveTheirShortestForm(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", time.Millisecond: "1ms", 90 * time.Second: "1m30s", time.Minute: "1m", time.Hour: "1h", 90 * time.Minute: "1h30m",
		time.Hour + time.Second: "1h0m1s", 87600 * time.Hour: "87600h", 10 * time.Minute: "10m", 10 * time.Second: "10s",
	} {
		if got := wire.Duration(d).String(); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
		var back wire.Duration
		if err := back.UnmarshalText([]byte(want)); err != nil || time.Duration(back) != d {
			t.Errorf("%q is %v, %v", want, time.Duration(back), err)
		}
	}
}

// roundTrip encodes a shape as a client or server does and decodes it on the
// other side.
func roundTrip[T any](t *testing.T, shape T) T {
	t.Helper()
	var back T
	if err := wire.Unmarshal([]byte(encode(t, shape)), &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAnswersBecomeDomainTypesAgain(t *testing.T) {
	t.Parallel()
	entry := kv.Entry{Key: "\xfe", Version: 7, Value: []byte{}, Size: 0, Meta: map[string]string{"a": "1"}, CreatedAt: at, UpdatedAt: at, ExpiresAt: at}
	gotEntry, err := roundTrip(t, wire.FromEntry(entry, true)).KV()
	if err != nil {
		t.Fatal(err)
	}
	same(t, gotEntry, entry)

	page := kv.ListPage{Entries: []kv.Entry{entry}, Prefixes: []string{"\xff/"}, Cursor: "c", Position: 4}
	gotPage, err := roundTrip(t, wire.FromListPage(page, true)).KV()
	if err != nil {
		t.Fatal(err)
	}
	same(t, gotPage, page)

	history := kv.HistoryPage{Versions: []kv.HistoryEntry{{Version: 1, Op: kv.ChangePut, At: at, Size: 3, ContentType: "a/b"}}, Cursor: "c"}
	same(t, roundTrip(t, wire.FromHistoryPage(history)).KV(), history)

	change := kv.Change{Position: 3, Kind: kv.ChangePut, Key: "\xff", Version: 2, Value: []byte("v"), ContentType: "a/b", At: at}
	gotChange, err := roundTrip(t, wire.FromChange(change, true)).KV(kv.ChangePut, 3)
	if err != nil {
		t.Fatal(err)
	}
	same(t, gotChange, change)

	namespace := kv.Namespace{Name: "n", DefaultTTL: time.Second, Retention: time.Hour, MaxKeys: 1, MaxBytes: 2, Keys: 3, Bytes: 4}
	same(t, roundTrip(t, wire.FromNamespace(namespace)).KV(), namespace)

	get := kv.Result{Kind: kv.KindGet, Key: "\xfe", Version: 7, Entry: &entry}
	gotGet, err := roundTrip(t, wire.FromResult(get, 200)).KV(kv.KindGet, "\xfe")
	if err != nil {
		t.Fatal(err)
	}
	same(t, gotGet, get)
	increment := kv.Result{Kind: kv.KindIncrement, Key: "n", Version: 7, Number: -12}
	gotIncrement, err := roundTrip(t, wire.FromResult(increment, 200)).KV(kv.KindIncrement, "n")
	if err != nil {
		t.Fatal(err)
	}
	same(t, gotIncrement, increment)
	refused, err := wire.Result{Status: 412, Problem: &wire.Problem{Code: kv.CodeAlreadyExists, Detail: "d", Field: "f"}}.KV(kv.KindPut, "k")
	if err != nil || !errors.Is(refused.Err, kv.ErrAlreadyExists) || refused.Err.Field != "f" {
		t.Errorf("got %+v, %v", refused, err)
	}
	if _, err := (wire.Result{Status: 200, Value: []byte("x")}).KV(kv.KindIncrement, "n"); err == nil {
		t.Error("an increment that is no number was taken")
	}
}

func TestAClientIgnoresFieldsOfANewerServer(t *testing.T) {
	t.Parallel()
	var shape wire.IncrementResult
	if err := wire.Unmarshal([]byte(`{"value":1,"version":2,"later":true}`), &shape); err != nil || shape.Value != 1 {
		t.Errorf("got %+v, %v", shape, err)
	}
	if err := wire.Unmarshal([]byte(`{"value":1`), &shape); err == nil {
		t.Error("half an answer was taken")
	}
	var entry wire.Entry
	if err := wire.Unmarshal([]byte(`{"created_at":"yesterday"}`), &entry); err == nil {
		t.Error("a time in words was taken")
	}
}

func operations() []kv.Operation {
	return []kv.Operation{
		{Kind: kv.KindPut, Key: "a", Value: []byte{}, ContentType: "a/b", Meta: map[string]string{"m": "1"}, TTL: 90 * time.Second},
		{Kind: kv.KindGet, Key: "\xff"},
		{Kind: kv.KindDelete, Key: "c"},
		{Kind: kv.KindIncrement, Key: "d", By: -9223372036854775808},
	}
}

func TestABatchArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	ops := operations()
	ops[0].If = kv.Condition{Absent: true}
	ops[2].If = kv.Condition{Versions: []kv.Version{0}}
	ops[3].If = kv.Condition{Versions: []kv.Version{1<<53 - 1}}
	var shape wire.Batch
	for _, op := range ops {
		o, err := wire.FromOperation(op)
		if err != nil {
			t.Fatal(err)
		}
		shape.Operations = append(shape.Operations, o)
	}
	got, err := wire.DecodeBatch([]byte(encode(t, shape)))
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range got.Operations {
		op, err := o.KV()
		if err != nil {
			t.Fatal(err)
		}
		same(t, op, ops[i])
	}
}

func TestConditionsThatHaveNoShapeAreRefused(t *testing.T) {
	t.Parallel()
	for _, op := range []kv.Operation{
		{Kind: kv.KindDelete, Key: "k", If: kv.Condition{Exists: true}},
		{Kind: kv.KindDelete, Key: "k", If: kv.Condition{Versions: []kv.Version{1, 2}}},
		{Kind: kv.KindDelete, Key: "k", If: kv.Condition{Versions: []kv.Version{}}},
		{Kind: kv.KindRestore, Key: "k", Restore: 1},
	} {
		if _, err := wire.FromOperation(op); kv.CodeOf(err) != kv.CodeInvalidArgument {
			t.Errorf("%+v: got %v", op, err)
		}
	}
}

func TestATransactionArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	want := kv.Txn{
		Compare: []kv.Compare{
			{Key: "a", Target: kv.TargetVersion, Is: kv.RelationGreater, Version: 7},
			{Key: "\xff", Target: kv.TargetValue, Is: kv.RelationNotEqual, Value: []byte{}},
			{Key: "c", Target: kv.TargetExists, Is: kv.RelationEqual},
			{Key: "d", Target: kv.TargetVersion, Is: kv.RelationLess},
		},
		Success: operations(),
		Failure: []kv.Operation{},
	}
	shape, err := wire.FromTxn(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.DecodeTxn([]byte(encode(t, shape)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, want)
	if _, err := wire.FromTxn(kv.Txn{Compare: []kv.Compare{{Key: ""}}}); err == nil {
		t.Error("an invalid transaction was encoded")
	}
}

func TestMissingArraysOfATransactionAreEmpty(t *testing.T) {
	t.Parallel()
	got, err := wire.DecodeTxn([]byte(" {\t} \r\n"))
	if err != nil || len(got.Compare)+len(got.Success)+len(got.Failure) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestStringsAreReadAsJSONHasThem(t *testing.T) {
	t.Parallel()
	got, err := wire.DecodeBatch([]byte(`{"operations":[{"op":"get","key":"\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00é€😀\u0000"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := "\"\\/\b\f\n\r\té€😀é€😀\x00"; got.Operations[0].Key != want {
		t.Errorf("got %q, want %q", got.Operations[0].Key, want)
	}
}

func TestSettingsOfANamespaceHaveDefaultsAndWhatAGetAnswersCanBePutBack(t *testing.T) {
	t.Parallel()
	got, err := wire.DecodeNamespace([]byte("{}"), "n")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, kv.Namespace{Name: "n", Retention: kv.DefaultRetention})
	want := kv.Namespace{Name: "n", DefaultTTL: time.Hour, Retention: 0, MaxKeys: 1, MaxBytes: 2, Keys: 3, Bytes: 4}
	got, err = wire.DecodeNamespace([]byte(encode(t, wire.FromNamespace(want))), "n")
	want.Keys, want.Bytes = 0, 0
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, want)
}
