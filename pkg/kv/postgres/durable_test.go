//go:build unix

package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// TestAPositionThatWasSeenOutlivesACrash has a server that writes to disk late
// what need not be there at once, and kills it when a position has been seen.
func TestAPositionThatWasSeenOutlivesACrash(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t, "wal_writer_delay = '10s'")
	url := server.NewURL(t)
	s := open(t, postgres.Options{URL: url})
	for range 5 {
		if _, err := s.Apply(t.Context(), space, put("k", "v"), kv.Identity{}); err != nil {
			t.Fatal(err)
		}
		seen, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		server.Kill()
		// Nobody else may make a pass before the head is read.
		if err := s.StopHeart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		var head kv.Position
		err = conn.QueryRow(t.Context(), "SELECT head FROM trivet.store").Scan(&head)
		if closeErr := conn.Close(t.Context()); err != nil || closeErr != nil {
			t.Fatal(err, closeErr)
		}
		if head < seen {
			t.Fatalf("position %d was seen, and after the crash the head is %d", seen, head)
		}
	}
}
