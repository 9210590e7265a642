package pebble

import (
	"bytes"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

// FuzzRows decodes rows that a disk has spoiled: they are refused, or are what
// they are encoded to again.
func FuzzRows(f *testing.F) {
	for _, s := range []*state{
		{kind: stateLive, version: 1718, position: 7, created: 1, updated: 2, size: 2, value: []byte("hi"), contentType: "text/plain"},
		{kind: stateLive, version: 1, size: 4096, external: true, expires: 9, meta: encodeMeta(map[string]string{"a": "1"})},
		{kind: stateExpired, version: 2},
	} {
		f.Add(appendState(nil, s, !s.external))
	}
	f.Add(appendChange(nil, &changeRow{kind: stateDeleted, version: 3, previous: 2, at: 1, key: "k", contentType: "a/b"}))
	f.Add(appendHead(nil, head{1, 2, 3}))
	namespace := newNamespaceRow()
	f.Add(appendNamespace(nil, &namespace))
	f.Add(appendRecord(nil, &recordRow{state: kv.RecordRejected, namespace: "ns", results: []kv.Result{
		{Kind: kv.KindPut, Key: "k", Version: 7, Created: true}, {Kind: kv.KindGet, Key: "g", Err: kv.ErrNotFound},
	}}))
	f.Fuzz(func(t *testing.T, row []byte) {
		var s state
		if decodeState(row, &s) == nil {
			if meta, err := decodeMeta(s.meta); err == nil && len(meta) > kv.MaxMetaPairs {
				t.Fatalf("%d pairs of metadata", len(meta))
			}
			var again state
			if err := decodeState(appendState(nil, &s, s.value != nil), &again); err != nil || again.version != s.version ||
				again.expires != s.expires || again.contentType != s.contentType || !bytes.Equal(again.value, s.value) {
				t.Fatalf("got %+v after a round trip, want %+v, %v", again, s, err)
			}
		}
		if c, err := decodeChange(row); err == nil {
			if again, err := decodeChange(appendChange(nil, &c)); err != nil || again != c {
				t.Fatalf("got %+v after a round trip, want %+v, %v", again, c, err)
			}
		}
		if h, err := decodeHead(row); err == nil && !bytes.Equal(appendHead(nil, h), row) {
			t.Fatalf("got another row of %+v", h)
		}
		if n, err := decodeNamespace(row); err == nil {
			if again, err := decodeNamespace(appendNamespace(nil, &n)); err != nil || again != n {
				t.Fatalf("got %+v after a round trip, want %+v, %v", again, n, err)
			}
		}
		if rec, err := decodeRecord(row); err == nil {
			if again, err := decodeRecord(appendRecord(nil, rec)); err != nil || len(again.results) != len(rec.results) || again.namespace != rec.namespace {
				t.Fatalf("got %+v after a round trip, want %+v, %v", again, rec, err)
			}
		}
	})
}
