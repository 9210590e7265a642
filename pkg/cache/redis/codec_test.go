package redis_test

import (
	"encoding/binary"
	"maps"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/cache/redis"
	"github.com/trivetkv/trivet/pkg/kv"
)

// head gives what a script puts in front of a packed entry.
func head(kind byte, v kv.Version, expires int64) string {
	b := []byte{kind}
	b = binary.LittleEndian.AppendUint64(b, uint64(v))
	return string(binary.LittleEndian.AppendUint64(b, uint64(expires)))
}

func TestAnEntryComesBackAsItWasPacked(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 5, 6, 7, 8, 9, 123456789, time.UTC)
	for name, e := range map[string]kv.Entry{
		"all of it": {
			Version: kv.Version(1)<<53 - 1, Position: 77, Value: []byte("\x00value"), ContentType: "text/plain",
			Meta: map[string]string{"a": "b", "c": ""}, CreatedAt: at, UpdatedAt: at.Add(time.Hour), ExpiresAt: at.Add(2 * time.Hour),
		},
		"an empty value":               {Version: 1, Value: []byte{}},
		"times before 1970, and at it": {Version: 1, Value: []byte("v"), CreatedAt: time.Unix(-5, 0).UTC(), UpdatedAt: time.Unix(0, 0).UTC()},
	} {
		got, absent, err := redis.Unpack(head('E', e.Version, 5_000_000)+string(redis.Pack(&e)), "k", 2_000_000)
		if err != nil || absent {
			t.Fatalf("%s: %v, %v", name, absent, err)
		}
		if got.Key != "k" || got.Version != e.Version || got.Position != e.Position || string(got.Value) != string(e.Value) || got.Value == nil ||
			got.Size != int64(len(e.Value)) || got.ContentType != e.ContentType || !maps.Equal(got.Meta, e.Meta) ||
			got.CreatedAt != e.CreatedAt || got.UpdatedAt != e.UpdatedAt || got.ExpiresAt != e.ExpiresAt ||
			got.TTLLeft != 3*time.Second || got.Source != kv.SourceCache {
			t.Errorf("%s: %+v of %+v", name, got, e)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	e := kv.Entry{Value: []byte("v"), ContentType: "t", Meta: map[string]string{"a": "b"}}
	f.Add(head('E', 1, 0) + string(redis.Pack(&e)))
	f.Add(head('A', 1, 0) + string(redis.Pack(&kv.Entry{})))
	f.Add("S")
	f.Fuzz(func(t *testing.T, s string) {
		got, absent, err := redis.Unpack(s, "k", 0)
		if err == nil && !absent && len(got.Value) > len(s) {
			t.Errorf("a value of %d bytes from %d", len(got.Value), len(s))
		}
	})
}
