//go:build unix

package testserver

import (
	"context"
	"sync"
	"testing"
)

// Runs is what a running server of any kind is to this package.
type Runs interface {
	LogSize() int64
	LogTail(from int64) string
	Close() error
}

// Shared is a server that all tests of a binary share. The first one that asks
// starts it; it ends when the binary does.
type Shared[S Runs] struct {
	Start func(ctx context.Context) (S, error)

	once   sync.Once
	server S
	err    error
}

// Get gives the server. The test fails when it cannot be started, and shows
// what the server printed meanwhile when it fails later.
func (s *Shared[S]) Get(tb testing.TB) S {
	tb.Helper()
	s.once.Do(func() { s.server, s.err = s.Start(context.Background()) })
	if s.err != nil {
		tb.Fatal(s.err)
	}
	showLog(tb, s.server)
	return s.server
}

// Own gives a test a server of its own, which ends with it.
func Own[S Runs](tb testing.TB, start func(ctx context.Context) (S, error)) S {
	tb.Helper()
	server, err := start(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Errorf("close the server: %v", err)
		}
	})
	showLog(tb, server)
	return server
}

func showLog(tb testing.TB, server Runs) {
	from := server.LogSize()
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("the server's log meanwhile:\n%s", server.LogTail(from))
		}
	})
}
