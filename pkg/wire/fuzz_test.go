package wire_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// agrees holds what a strict decoder decided against encoding/json: what it
// takes is JSON, its refusals are invalid_argument with a field, and neither
// repeats text of any length.
func agrees(t *testing.T, data []byte, err error) bool {
	t.Helper()
	if err == nil {
		if !json.Valid(data) || !utf8.Valid(data) {
			t.Fatalf("took what is no JSON: %q", data)
		}
		return true
	}
	e := kv.AsError(err)
	if e.Code != kv.CodeInvalidArgument && e.Code != kv.CodeTooLarge || e.Field == "" || e.Detail == "" {
		t.Fatalf("refused with %+v", e)
	}
	if !utf8.ValidString(e.Field+e.Detail) || len(e.Detail) > 400 || len(e.Field) > 400 {
		t.Fatalf("refused with a text that is out of bounds: %+v", e)
	}
	return false
}

func addSeeds(f *testing.F, seeds ...string) {
	f.Helper()
	for _, seed := range append(seeds, "", "{}", "[]", "null", `{"a":1}`, "{\"key\":\"\xff\"}", `{"key":"\ud800"}`, `{"key":"a","key":"b"}`) {
		f.Add([]byte(seed))
	}
}

func FuzzDecodeTxn(f *testing.F) {
	addSeeds(f,
		`{"compare":[{"key":"k","target":"version","is":"eq","version":0}],"success":[{"op":"put","key":"k","value":"aGk=","ttl":"90s","meta":{"a":"1"}}],"failure":[{"op":"get","key":"/w==","key_encoding":"base64"}]}`,
		`{"compare":[{"key":"k","target":"value","is":"lt","value":""},{"key":"k","target":"exists","is":"ne","exists":true}]}`,
		`{"success":[{"op":"increment","key":"n","by":-9223372036854775808},{"op":"delete","key":"\ud83d\ude00"}]}`,
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		txn, err := wire.DecodeTxn(data)
		if !agrees(t, data, err) {
			return
		}
		shape, err := wire.FromTxn(txn)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		encoded, err := wire.Marshal(shape)
		if err != nil {
			t.Fatal(err)
		}
		again, err := wire.DecodeTxn(encoded)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v", err)
		}
		if reencoded, err := wire.FromTxn(again); err != nil || !reflect.DeepEqual(reencoded, shape) {
			t.Fatalf("got %+v after a round trip, want %+v, %v", again, txn, err)
		}
	})
}

func FuzzDecodeBatch(f *testing.F) {
	addSeeds(f,
		`{"operations":[{"op":"put","key":"k","value":"","if_absent":true},{"op":"delete","key":"k","if_version":7}]}`,
		`{"operations":[{"op":"get","key":"\u0000\\\"","meta":{}},{}]}`,
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		batch, err := wire.DecodeBatch(data)
		if !agrees(t, data, err) {
			return
		}
		var loose wire.Batch
		if err := json.Unmarshal(data, &loose); err != nil || len(loose.Operations) != len(batch.Operations) {
			t.Fatalf("encoding/json reads %+v, %v", loose, err)
		}
		for i, shape := range batch.Operations {
			if loose.Operations[i].Key != shape.Key || !bytes.Equal(loose.Operations[i].Value, shape.Value) {
				t.Fatalf("encoding/json reads %+v, not %+v", loose.Operations[i], shape)
			}
			op, err := shape.KV()
			if err != nil {
				agrees(t, data, err)
				continue
			}
			if _, err := wire.FromOperation(op); err != nil {
				t.Fatalf("what was decoded cannot be encoded: %v", err)
			}
		}
	})
}

func FuzzDecodeIncrement(f *testing.F) {
	addSeeds(f, `{"by":1}`, `{"by":-0}`, `{"by":1e3}`, ` {"\u0062y" : 9223372036854775807 } `)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := wire.DecodeIncrement(data)
		if !agrees(t, data, err) {
			return
		}
		var loose wire.Increment
		if err := json.Unmarshal(data, &loose); err != nil || loose != got {
			t.Fatalf("encoding/json reads %+v, %v, not %+v", loose, err, got)
		}
	})
}

func FuzzDecodeNamespace(f *testing.F) {
	addSeeds(f, `{"name":"n","default_ttl":"1h","retention":"168h","max_keys":1,"max_bytes":2,"keys":3,"bytes":4}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := wire.DecodeNamespace(data, "n")
		if !agrees(t, data, err) {
			return
		}
		encoded, err := wire.Marshal(wire.FromNamespace(n))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := wire.DecodeNamespace(encoded, "n"); err != nil || again != n {
			t.Fatalf("got %+v after a round trip, want %+v, %v", again, n, err)
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	addSeeds(f,
		`{"key":"k","version":7,"value":"aGk=","size":2,"content_type":"a/b","meta":{"a":"1"},"created_at":"2026-01-02T15:04:05.000Z","updated_at":"2026-01-02T15:04:05.000Z","expires_at":"2026-01-02T15:04:05+01:00"}`,
		`{"key":"/w==","key_encoding":"base64","value":""}`,
		`{"key":"k","value":"aGk=","expires_at":"9999-12-31T23:59:59.999-23:59"}`,
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		entry, err := wire.DecodeEntry(data)
		if !agrees(t, data, err) {
			return
		}
		var loose wire.Entry
		if err := json.Unmarshal(data, &loose); err != nil || loose.Key != entry.Key || !bytes.Equal(loose.Value, entry.Value) {
			t.Fatalf("encoding/json reads %+v, %v, not %+v", loose, err, entry)
		}
		domain, err := entry.KV()
		if err != nil {
			agrees(t, data, err)
			return
		}
		encoded, err := wire.Marshal(wire.FromEntry(domain, true))
		if err != nil {
			t.Fatal(err)
		}
		again, err := wire.DecodeEntry(encoded)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v: %s", err, encoded)
		}
		if reencoded, err := again.KV(); err != nil || reencoded.Key != domain.Key || !bytes.Equal(reencoded.Value, domain.Value) ||
			reencoded.ContentType != domain.ContentType || !maps.Equal(reencoded.Meta, domain.Meta) {
			t.Fatalf("got %+v after a round trip, want %+v, %v", reencoded, domain, err)
		}
	})
}

func FuzzDecodeTokenRequest(f *testing.F) {
	addSeeds(f,
		`{"name":"web","scopes":[{"namespace":"shop-*","prefix":"cart/","access":["read","write"]}],"ttl":"720h"}`,
		`{"scopes":[]}`, `{"scopes":[{}]}`, `{"scopes":[{"access":[]}],"ttl":"0s"}`,
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		request, err := wire.DecodeTokenRequest(data)
		if !agrees(t, data, err) {
			return
		}
		encoded, err := wire.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		again, err := wire.DecodeTokenRequest(encoded)
		if err != nil {
			// Access that no scope may have is for auth.CheckScopes to refuse; null
			// instead of an empty list is the only other shape that is not its own.
			for _, scope := range request.Scopes {
				if scope.Access == nil {
					return
				}
			}
			t.Fatalf("what was encoded cannot be decoded: %v: %s", err, encoded)
		}
		if reencoded, err := wire.Marshal(again); err != nil || !bytes.Equal(reencoded, encoded) {
			t.Fatalf("got %s after a round trip, want %s, %v", reencoded, encoded, err)
		}
	})
}

func FuzzDecodeRotation(f *testing.F) {
	addSeeds(f, `{"overlap":"24h"}`, `{"overlap":"-1s"}`, `{"overlap":1}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		rotation, err := wire.DecodeRotation(data)
		if len(data) == 0 {
			if err != nil || rotation.Overlap != 0 {
				t.Fatalf("no body: %+v, %v", rotation, err)
			}
			return
		}
		if !agrees(t, data, err) {
			return
		}
		var loose wire.Rotation
		if err := json.Unmarshal(data, &loose); err != nil || loose != rotation {
			t.Fatalf("encoding/json reads %+v, %v, not %+v", loose, err, rotation)
		}
	})
}

func FuzzDecodeRestore(f *testing.F) {
	addSeeds(f, `{"version":1718}`, `{"version":0}`, `{"version":9007199254740992}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		restore, err := wire.DecodeRestore(data)
		if !agrees(t, data, err) {
			return
		}
		var loose wire.Restore
		if err := json.Unmarshal(data, &loose); err != nil || loose != restore || restore.Version <= 0 {
			t.Fatalf("encoding/json reads %+v, %v, not %+v", loose, err, restore)
		}
	})
}
