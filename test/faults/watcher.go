//go:build unix

package main

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

// watcher follows the change log from its beginning by way of one api. Each
// change has to come, in order: of a key every put, once, by its number.
type watcher struct {
	name   string
	client *client.Client
	ledger *ledger

	events   atomic.Int64 // changes seen for the first time, but for those of probes
	position kv.Position
	numbers  map[string]int // of each key: the last put
	versions map[string]kv.Version
}

func newWatcher(name string, c *client.Client, l *ledger) *watcher {
	return &watcher{name: name, client: c, ledger: l, numbers: make(map[string]int), versions: make(map[string]kv.Version)}
}

func (w *watcher) run(ctx context.Context) {
	since := kv.Position(0)
	for ch, err := range w.client.Watch(ctx, namespace, client.WatchOptions{Since: &since, Values: true}) {
		if err != nil {
			if ctx.Err() == nil {
				w.ledger.violate("the watch of %s ended: %v", w.name, err)
			}
			return
		}
		w.take(ch)
	}
}

func (w *watcher) take(ch kv.Change) {
	if ch.Position <= w.position {
		return // at least once: a stream that was resumed may repeat
	}
	if ch.Position != w.position+1 {
		w.ledger.violate("%s: position %d follows position %d", w.name, ch.Position, w.position)
	}
	if ch.Version <= w.versions[ch.Key] {
		w.ledger.violate("%s: %s has version %d after version %d", w.name, ch.Key, ch.Version, w.versions[ch.Key])
	}
	w.position, w.versions[ch.Key] = ch.Position, ch.Version
	if strings.HasPrefix(ch.Key, probeKeys) {
		return
	}
	w.events.Add(1)
	if strings.HasPrefix(ch.Key, counterKeys) {
		return
	}
	n, err := numberOf(ch.Value)
	switch before := w.numbers[ch.Key]; {
	case err != nil:
		w.ledger.violate("%s: %s: %v", w.name, ch.Key, err)
	case n == before:
		w.ledger.violate("%s: put %d of %s was applied twice", w.name, n, ch.Key)
	case n != before+1:
		w.ledger.violate("%s: put %d of %s follows put %d", w.name, n, ch.Key, before)
	}
	w.numbers[ch.Key] = n
}
