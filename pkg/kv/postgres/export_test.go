package postgres

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Conflicts gives how many commits were tried again after a deadlock or a
// serialization failure.
func (s *Store) Conflicts() float64 { return testutil.ToFloat64(s.metrics.conflicts) }

// Retries gives how many commits were tried again after a lost connection.
func (s *Store) Retries() float64 { return testutil.ToFloat64(s.metrics.retries) }

// MaxConns gives the size of the pool.
func (s *Store) MaxConns() int { return int(s.pool.Config().MaxConns) }

// Sequences tells whether the store has the sequencer's lease.
func (s *Store) Sequences() bool { return s.sequencer.lease.held() }

// StopHeart ends the sequencer as a process that dies does: its lease is not
// given up.
func (s *Store) StopHeart(ctx context.Context) error { return s.sequencer.Stop(ctx) }

// DropConnections ends all connections that are idle.
func (s *Store) DropConnections() { s.pool.Reset() }

// Migrate brings the schema to the last of some migrations.
func (s *Store) Migrate(ctx context.Context, files fs.FS) error {
	return migrate(ctx, s.pool, files)
}

// PutTogether commits puts in one batch, and gives the error of each.
func (s *Store) PutTogether(t *testing.T, ns string, ops ...kv.Operation) []error {
	t.Helper()
	batch := make([]*put, len(ops))
	for i := range ops {
		batch[i] = &put{GroupedPut: kv.GroupedPut{Namespace: ns, Op: &ops[i]}, ctx: t.Context(), asked: time.Now(), done: make(chan struct{})}
	}
	s.flushPuts(append([]*put(nil), batch...))
	errs := make([]error, len(ops))
	for i, p := range batch {
		<-p.done
		errs[i] = p.Err
	}
	return errs
}

// SQLPut is the statement that commits puts; PutArguments are its arguments for
// one put.
var SQLPut = sqlPut

// PutArguments gives the arguments of [SQLPut].
func PutArguments(ns string, op kv.Operation) []any {
	return putArguments(newFlushID(time.Now()), 0, []*put{{GroupedPut: kv.GroupedPut{Namespace: ns, Op: &op}}})
}

// ManyKeys are statements on the keys of an array, with
// arguments for them.
var ManyKeys = map[string][]any{
	sqlDeleteVersions: {[][]byte{{1}}, [][]byte{{1}}, []int64{1}},
	sqlChangeDetails:  {[][]byte{{1}}, [][]byte{{1}}, []int64{1}, int64(1)},
	sqlListValues:     {[][]byte{{1}}, [][]byte{{1}}},
}

// Explain gives the plan of a statement, as the store's connections have it.
func (s *Store) Explain(ctx context.Context, statement string, args ...any) (string, error) {
	rows, err := s.pool.Query(ctx, "EXPLAIN "+statement, args...)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}
