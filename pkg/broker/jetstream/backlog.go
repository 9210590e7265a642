package jetstream

import (
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

// backlog is what delivery knows in memory: the messages that were read and
// have no verdict yet, and how far it has come. It outlives a subscription, so
// that the next one does not get again what the one before has settled.
type backlog struct {
	mu      sync.Mutex
	window  []*item // in order; the first one is not settled
	settled uint64  // every message below has its verdict
}

// item is one message of the window.
type item struct {
	stored
	attempts int
	panics   int
	settled  bool
}

func newBacklog(settled uint64) *backlog {
	return &backlog{settled: settled}
}

type backlogView struct {
	end       uint64    // offset behind the window
	waiting   int       // of the window, not delivered yet
	unsettled int       // delivered, without a verdict
	oldest    time.Time // zero when nothing that was read is unsettled
}

func (l *backlog) view() backlogView {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := backlogView{end: l.endLocked()}
	for _, it := range l.window {
		switch {
		case it.settled:
			continue
		case it.attempts == 0:
			v.waiting++
		default:
			v.unsettled++
		}
		if v.oldest.IsZero() {
			v.oldest = it.publishedAt
		}
	}
	return v
}

// end is the offset behind the window.
func (l *backlog) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.endLocked()
}

func (l *backlog) endLocked() uint64 {
	if n := len(l.window); n > 0 {
		return l.window[n-1].offset + 1
	}
	return l.settled
}

func (l *backlog) add(messages []stored) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range messages {
		l.window = append(l.window, &item{stored: m})
	}
}

// pending gives the window's messages that have no verdict, in order.
func (l *backlog) pending() []*item {
	l.mu.Lock()
	defer l.mu.Unlock()
	var items []*item
	for _, it := range l.window {
		if !it.settled {
			items = append(items, it)
		}
	}
	return items
}

// deliver counts an attempt of each item and gives what the handler sees.
func (l *backlog) deliver(items []*item) []broker.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	deliveries := make([]broker.Delivery, len(items))
	for i, it := range items {
		it.attempts++
		deliveries[i] = broker.Delivery{Message: it.Message, Attempt: it.attempts, PublishedAt: it.publishedAt}
	}
	return deliveries
}

func (l *backlog) settle(it *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	it.settled = true
}

// advance drops what is settled at the window's front, and gives the offset
// below which everything is, and whether it has moved.
func (l *backlog) advance() (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.settled
	n := 0
	for n < len(l.window) && l.window[n].settled {
		l.settled = l.window[n].offset + 1
		n++
	}
	if l.window = l.window[n:]; len(l.window) == 0 {
		l.window = nil
	}
	return l.settled, l.settled != before
}
