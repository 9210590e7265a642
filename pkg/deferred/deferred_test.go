package deferred

import (
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var accepted = time.UnixMicro(1_700_000_000_123_456)

func identity() kv.Identity {
	id := kv.Identity{ID: kv.DeriveWriteID("caller", "orders", "k"), Deferred: true}
	copy(id.Hash[:], "a hash of the request, 32 bytes.")
	return id
}

// examples has one write of each kind and each shape of condition.
func examples() map[string]Write {
	write := func(op kv.Operation) Write {
		return Write{Namespace: "orders", Operation: op, Identity: identity(), AcceptedAt: accepted}
	}
	return map[string]Write{
		"put": write(kv.Operation{
			Kind: kv.KindPut, Key: "a\x00\xffb", Value: []byte("v"), ContentType: "text/plain",
			Meta: map[string]string{"b": "2", "a": "1", "c": ""}, TTL: 90 * time.Second,
		}),
		"empty value":    write(kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte{}}),
		"largest value":  write(kv.Operation{Kind: kv.KindPut, Key: "k", Value: make([]byte, kv.MaxValueBytes)}),
		"delete":         write(kv.Operation{Kind: kv.KindDelete, Key: "k", If: kv.Condition{Exists: true}}),
		"increment":      write(kv.Operation{Kind: kv.KindIncrement, Key: "k", By: -1 << 63}),
		"restore":        write(kv.Operation{Kind: kv.KindRestore, Key: "k", Restore: 1 << 52}),
		"if absent":      write(kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte{}, If: kv.Condition{Absent: true}}),
		"if version":     write(kv.Operation{Kind: kv.KindDelete, Key: "k", If: kv.Condition{Versions: []kv.Version{0, 7, 1 << 52}}}),
		"if no version":  write(kv.Operation{Kind: kv.KindDelete, Key: "k", If: kv.Condition{Versions: []kv.Version{}}}),
		"invalid fields": {AcceptedAt: accepted, Identity: kv.Identity{Deferred: true}},
	}
}

func TestDecodeInvertsEncode(t *testing.T) {
	for name, want := range examples() {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(want.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestEncodeIsDeterministic(t *testing.T) {
	w := examples()["put"]
	first := string(w.Encode())
	for range 20 {
		if string(w.Encode()) != first {
			t.Fatal("the same write was encoded in two ways")
		}
	}
}

func TestDecodeRefusesEveryTruncationAndEveryFlippedBit(t *testing.T) {
	data := examples()["put"].Encode()
	for n := range data {
		if _, err := Decode(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(data))
		}
	}
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if _, err := Decode(data); err == nil {
				t.Fatalf("byte %d with bit %d flipped was accepted", i, bit)
			}
			data[i] ^= 1 << bit
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	put := examples()["put"].Encode()
	body := func(w Write) []byte { e := w.Encode(); return e[:len(e)-checksumBytes] }
	conditionless := body(examples()["empty value"])
	withValue := Write{Operation: kv.Operation{Kind: kv.KindDelete, Key: "k", Value: []byte("v")}}
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"empty", "cut off", nil},
		{"other format", "unknown format 9", append([]byte{9}, put[1:]...)},
		{"text", "unknown format 123", []byte(`{"op":"put","key":"k"}`)},
		{"checksum", "checksum does not match", append(put[:len(put)-1:len(put)-1], put[len(put)-1]^1)},
		{"trailing bytes", "3 bytes follow its end", sealed(append(conditionless, 1, 2, 3))},
		{"missing bytes", "cut off", sealed(conditionless[:len(conditionless)-1])},
		{"condition bits", "unknown condition bits 0x80", sealed(append(conditionless[:len(conditionless)-1:len(conditionless)-1], 0x80))},
		{"forged count", "cut off", sealed(append(conditionless[:len(conditionless)-1:len(conditionless)-1], conditionVersions, 0xff, 0xff, 0xff, 0xff, 0x0f))},
		{"value of a delete", "no put carries a value", withValue.Encode()},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode(c.data)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// sealed adds the checksum that makes a body pass the first look.
func sealed(body []byte) []byte {
	return binary.BigEndian.AppendUint32(body[:len(body):len(body)], crc32.Checksum(body, castagnoli))
}

// FuzzDecode seals its input, so that it reaches the fields behind the checksum.
func FuzzDecode(f *testing.F) {
	for name, w := range examples() {
		if name == "largest value" {
			continue
		}
		data := w.Encode()
		f.Add(data[:len(data)-checksumBytes])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = Decode(body)
		w, err := Decode(sealed(body))
		if err != nil {
			return
		}
		again, err := Decode(w.Encode())
		if err != nil {
			t.Fatalf("what was decoded does not survive encoding: %v", err)
		}
		if !reflect.DeepEqual(w, again) {
			t.Fatalf("got %+v after a round trip, want %+v", again, w)
		}
	})
}
