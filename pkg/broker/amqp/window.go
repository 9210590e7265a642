package amqp

import (
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/trivetkv/trivet/pkg/broker"
)

// window is what a consumer holds: the messages that the server has delivered
// on one channel and that are not acknowledged there.
type window struct {
	mu      sync.Mutex
	items   []*item // in order
	arrived int     // items ever
}

// item is one message of the window.
type item struct {
	broker.Message
	publishedAt time.Time
	raw         []byte
	tag         uint64 // on its channel
	foreign     error  // it is no message of ours
	attempts    int
	panics      int
	settled     bool
}

func newItem(d amqp091.Delivery) *item {
	it := &item{raw: d.Body, tag: d.DeliveryTag}
	if it.Message, it.publishedAt, it.foreign = decode(d.Body); it.foreign != nil {
		it.ID = d.MessageId
	}
	return it
}

func (w *window) add(it *item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.items = append(w.items, it)
	w.arrived++
}

func (w *window) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.items = nil
}

// holding is what a window holds.
type holding struct {
	waiting   int       // not handed out yet
	unsettled int       // handed out, without a verdict
	oldest    time.Time // when the oldest one was published; zero when there is none
	arrived   int       // messages that ever came
}

func (w *window) count() holding {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := holding{arrived: w.arrived}
	for _, it := range w.items {
		switch {
		case it.settled:
			continue
		case it.attempts == 0:
			h.waiting++
		default:
			h.unsettled++
		}
		if h.oldest.IsZero() {
			h.oldest = it.publishedAt
		}
	}
	return h
}

// pending gives the messages without a verdict, in order.
func (w *window) pending() []*item {
	w.mu.Lock()
	defer w.mu.Unlock()
	var items []*item
	for _, it := range w.items {
		if !it.settled {
			items = append(items, it)
		}
	}
	return items
}

// deliver counts an attempt of each item and gives what the handler sees.
func (w *window) deliver(items []*item) []broker.Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	deliveries := make([]broker.Delivery, len(items))
	for i, it := range items {
		it.attempts++
		deliveries[i] = broker.Delivery{Message: it.Message, Attempt: it.attempts, PublishedAt: it.publishedAt}
	}
	return deliveries
}

func (w *window) settle(it *item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	it.settled = true
}

// takeSettled removes what is settled: everything up to a delivery tag, which
// is 0 when the first message is not settled, and single tags behind it.
func (w *window) takeSettled() (upTo uint64, single []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := w.items[:0]
	for _, it := range w.items {
		switch {
		case !it.settled:
			rest = append(rest, it)
		case len(rest) == 0:
			upTo = it.tag
		default:
			single = append(single, it.tag)
		}
	}
	clear(w.items[len(rest):])
	w.items = rest
	return upTo, single
}
