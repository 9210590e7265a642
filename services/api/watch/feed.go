package watch

import (
	"sync"

	"github.com/trivetkv/trivet/pkg/kv"
)

// feed is the bounded buffer between the tailer and one client.
type feed struct {
	prefix string
	values bool
	limits limits

	// ready has an element when the feed has something to take.
	ready chan struct{}

	mu     sync.Mutex
	from   kv.Position // what is not behind it is not wanted
	events []*event
	bytes  int
	end    ending
	err    error // with ended
}

type limits struct{ events, bytes int }

// ending says why a feed gets no more events.
type ending uint8

const (
	open       ending = iota
	overflowed        // the client has to catch up from the log
	failed            // the log could not be read: err
)

func newFeed(prefix string, values bool, l limits) *feed {
	return &feed{prefix: prefix, values: values, limits: l, ready: make(chan struct{}, 1)}
}

// push adds an event. When the feed is full it ends instead, so that it never
// has a gap.
func (f *feed) push(e *event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.end != open || e.position <= f.from {
		return
	}
	if n := len(f.events); n == f.limits.events || n > 0 && f.bytes+len(e.frame) > f.limits.bytes {
		f.end = overflowed
	} else {
		f.events = append(f.events, e)
		f.bytes += len(e.frame)
	}
	f.wake()
}

// close ends the feed; what it holds can still be taken.
func (f *feed) close(why ending, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.end == open {
		f.end, f.err = why, err
	}
	f.wake()
}

// wake is called with mu held.
func (f *feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// take empties the feed, and gives the reason when nothing follows what it
// returns.
func (f *feed) take() ([]*event, ending, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events, f.bytes = nil, 0
	return events, f.end, f.err
}
