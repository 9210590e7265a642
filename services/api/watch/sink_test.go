package watch_test

import (
	"net/http"
	"testing"
	"time"
)

// sink is a connection that takes everything at once, so that a test measures
// the hub and not the network.
type sink struct {
	header http.Header
	write  func([]byte)
}

func newSink(write func([]byte)) *sink { return &sink{header: http.Header{}, write: write} }

func newSinkRequest(t testing.TB) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) Flush()              {}

func (s *sink) Write(p []byte) (int, error) {
	if s.write != nil {
		s.write(p)
	}
	return len(p), nil
}

func (s *sink) SetReadDeadline(time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }
