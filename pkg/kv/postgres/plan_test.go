//go:build unix

package postgres_test

import (
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// TestAnEmptyTableIsReadByItsKeysToo holds the plans that connections make while
// there is nothing to read, and keep when there is: they look keys up one by
// one, and never read a namespace for them.
func TestAnEmptyTableIsReadByItsKeysToo(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Options{URL: testserver.NewPostgres(t, "autovacuum = off").NewURL(t)})
	for statement, args := range postgres.ManyKeys {
		for range 2 { // the second time there is a generic plan
			plan, err := s.Explain(t.Context(), statement, args...)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(plan, "Index Cond: ((ns = i.ns) AND (key = i.key)") || strings.Contains(plan, "Filter: ") {
				t.Errorf("%s\nis planned as\n%s", statement, plan)
			}
		}
	}
}
