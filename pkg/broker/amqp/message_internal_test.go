package amqp

import (
	"bytes"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

func FuzzDecode(f *testing.F) {
	f.Add(encode(broker.Message{ID: "id", Key: "key", Body: []byte("body")}, time.UnixMicro(1)))
	f.Add(encode(broker.Message{}, time.UnixMicro(-1)))
	f.Add([]byte{messageForm, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, at, err := decode(data)
		if err != nil {
			return
		}
		again, atAgain, err := decode(encode(m, at))
		if err != nil || again.ID != m.ID || again.Key != m.Key || !bytes.Equal(again.Body, m.Body) || !at.Equal(atAgain) {
			t.Errorf("%+v at %v came back as %+v at %v, %v", m, at, again, atAgain, err)
		}
	})
}

// TestPartitionNeverChanges holds the hash that decides in which queue a key's
// messages are, on every version of the program.
func TestPartitionNeverChanges(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{"": 5, "a": 12, "shop\x00fruit/apple": 12} {
		if got := partition(key, 16); got != want {
			t.Errorf("%q is in partition %d, want %d", key, got, want)
		}
	}
}
