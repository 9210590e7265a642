package server

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// constantStore answers every GET with one entry.
type constantStore struct {
	kv.Store
	entry kv.Entry
}

func (s *constantStore) Get(context.Context, string, string, kv.ReadOptions) (kv.Entry, error) {
	return s.entry, nil
}

// repeatedConn brings one request again and again, at no cost.
type repeatedConn struct {
	net.Conn
	request []byte
	left    int
}

func (c *repeatedConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	return copy(p, c.request), nil
}

func (c *repeatedConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *repeatedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *repeatedConn) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkDirect measures what a direct GET costs beside the connection and
// the store.
func BenchmarkDirect(b *testing.B) {
	entry := kv.Entry{Key: "users/42", Version: 1795381409301994, Value: make([]byte, 100), Size: 100, UpdatedAt: time.Now(), Position: 17, Source: kv.SourceCache}
	s, err := New(Options{Store: &constantStore{entry: entry}})
	if err != nil {
		b.Fatal(err)
	}
	request := []byte("GET /v1/kv/ns/users/42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
	c := &conn{Conn: &repeatedConn{request: request, left: b.N}, server: s, waiting: true}
	b.ReportAllocs()
	b.ResetTimer()
	if n, err := c.Read(make([]byte, 4096)); n != 0 || err != io.EOF { //nolint:errorlint // as it is
		b.Fatalf("%d, %v", n, err)
	}
}
