// Package epoch keeps the cache epoch: a number in the database that is part of
// every key of a shared cache. Whoever finds that the cache may have lost
// something raises it, and all that the cache held until then is never read
// again.
//
// Three rules bound how old an answer can be after a loss, with one number, the
// bound (TRIVET_CACHE_BOUND):
//
//   - A process uses an epoch only while its last poll of the database began
//     less than the bound ago. So a former epoch is out of use everywhere one
//     bound after it was raised.
//   - Nobody reads or stores an entry under an epoch before having known it for
//     the bound, though writes make their steps under it. So every entry that it
//     ever holds was read or written when all others had left the former one.
//   - A write whose steps could not be confirmed is acknowledged only under an
//     epoch younger than the bound: what was missed in the cache is read by
//     nobody, and one raise covers all writes of the next second.
package epoch

import (
	"context"
	"time"
)

// Epoch is what the database knows of the shared cache.
type Epoch struct {
	Number int64 // only ever grows

	// Primary is the state of the cache that the epoch was raised for, as the
	// cache names it; "" while there was none. A process whose cache is in
	// another state does not use it.
	Primary string

	// Age is how long ago the epoch was raised when the database was asked, by
	// the database's clock. It tells a raise that a call has made from an
	// earlier one, no more: that clock may be set.
	Age time.Duration

	// Reaching is how many processes have said within [SeenWithin] that they
	// reach the cache, the one that polls not counted.
	Reaching int
}

// SeenWithin is how long what a process said about itself counts.
const SeenWithin = 5 * time.Second

// Store keeps the epoch in the database. Both calls go to its writer, never to
// a replica, since they order processes.
type Store interface {
	// PollEpoch gives the epoch. At the same time it remembers that the process
	// is there and whether it reaches the cache; it may skip that when the same
	// was said less than half of SeenWithin ago. What processes said long ago is
	// forgotten.
	PollEpoch(ctx context.Context, process string, reaches bool) (Epoch, error)

	// RaiseEpoch sets Number to from+1, Primary to primary and Age to 0, durably,
	// if Number still is from, and else changes nothing. Either way it gives the
	// epoch that stands then; Reaching may be 0.
	RaiseEpoch(ctx context.Context, from int64, primary string) (Epoch, error)
}
