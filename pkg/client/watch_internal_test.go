package client

import (
	"bytes"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

// FuzzEvents reads whatever a server, or something in front of it, may send.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: put\nid: 7\ndata: {\"key\":\"k\",\"version\":1,\"value\":\"aGk=\",\"at\":\"2026-01-02T15:04:05.000Z\"}\n\n: heartbeat\nid: 8\n\n"))
	f.Add([]byte("event: error\ndata: {\"code\":\"position_expired\",\"status\":410}\n\n"))
	f.Add([]byte("id: -1\ndata:\n\ndata: {}\r\n\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		events := newEventReader(bytes.NewReader(stream), 5)
		for range len(stream) + 1 {
			change, err := events.next()
			if err != nil {
				if kv.CodeOf(err) == "" {
					t.Fatalf("an error without a code: %v", err)
				}
				return
			}
			if change.Position != events.position {
				t.Fatalf("a change at %d, and the watch has come to %d", change.Position, events.position)
			}
		}
		t.Fatal("more events than bytes")
	})
}
