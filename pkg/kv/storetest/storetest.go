// Package storetest is the suite that every [kv.Store] has to pass.
//
//	func TestStore(t *testing.T) {
//		storetest.Exercise(t, func(t *testing.T) storetest.Harness { … })
//	}
package storetest

import (
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Harness is a store under test: empty, and used by nobody else.
type Harness struct {
	Store kv.Store

	// Maintainer is the store's upkeep, called by the suite alone. Nil leaves
	// out what needs it.
	Maintainer kv.Maintainer

	// Clock is the clock that the store was opened with. Nil says that the
	// store follows a clock that nobody can set: the suite then uses short times
	// to live and polls, and leaves out what needs an exact moment.
	Clock *Clock

	// SharedLags says that a Shared read may miss a write under way that a
	// Strong read has shown already, as it may behind a cache that forgets the
	// marks of writes. It sees every acknowledged write all the same.
	SharedLags bool

	// Reopen closes the store and opens it again on the same data, with the
	// same clock. Nil leaves out what needs it.
	Reopen func(t *testing.T) Harness
}

// Open makes a new harness and leaves its end to t.Cleanup.
type Open func(t *testing.T) Harness

type test struct {
	name string
	run  func(s *space)
}

// Exercise runs the suite. Every test has a harness of its own, and runs in
// parallel with the others.
func Exercise(t *testing.T, open Open) {
	t.Helper()
	for _, topic := range []struct {
		name  string
		tests []test
	}{
		{"read", readTests},
		{"write", writeTests},
		{"version", versionTests},
		{"expiry", expiryTests},
		{"increment", incrementTests},
		{"batch", batchTests},
		{"txn", txnTests},
		{"list", listTests},
		{"history", historyTests},
		{"identity", identityTests},
		{"changes", changeTests},
		{"namespace", namespaceTests},
		{"concurrency", concurrencyTests},
		{"cancel", cancelTests},
		{"model", modelTests},
	} {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			for _, tt := range topic.tests {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					tt.run(start(t, open))
				})
			}
		})
	}
}
