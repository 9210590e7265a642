package pebble

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Changes implements [kv.Store]. It shows nothing that is not durable.
func (s *Store) Changes(ctx context.Context, ns string, q kv.ChangeQuery) (kv.ChangePage, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return kv.ChangePage{}, err
	}
	defer leave()
	durable := kv.Position(s.position.load())
	if q.After < 0 || q.After > durable {
		return kv.ChangePage{}, kv.Invalid("since", "the position is not one that the store has given out")
	}
	v, err := newView(s.db, changeKey(nil, ns, q.After+1), changeKey(nil, ns, durable+1))
	if err != nil {
		return kv.ChangePage{}, err
	}
	defer v.close()
	use, _, err := readNamespace(v, ns)
	if err != nil {
		return kv.ChangePage{}, err
	}
	if q.After < use.trimmed {
		return kv.ChangePage{}, kv.ErrPositionExpired
	}
	return readChanges(ctx, v, ns, q, durable)
}

// readChanges reads a page of changes from a view of the log.
func readChanges(ctx context.Context, v *view, ns string, q kv.ChangeQuery, durable kv.Position) (kv.ChangePage, error) {
	page := kv.ChangePage{Next: q.After}
	bytes, scanned := 0, 0
	for valid := v.First(); valid; valid = v.Next() {
		if len(page.Changes) == q.Limit || bytes > kv.MaxPageBytes || scanned == maxScannedRows {
			page.More = true
			return page, nil
		}
		if scanned%256 == 0 && ctx.Err() != nil {
			return kv.ChangePage{}, ctx.Err()
		}
		scanned++
		c, err := v.change()
		if err != nil {
			return kv.ChangePage{}, err
		}
		page.Next = changePosition(v.Key())
		if !strings.HasPrefix(c.key, q.Prefix) {
			continue
		}
		change, err := shownChange(v, ns, page.Next, &c, q.Values)
		if err != nil {
			return kv.ChangePage{}, err
		}
		page.Changes = append(page.Changes, change)
		bytes += len(change.Value)
	}
	page.Next = durable
	return page, v.rowsError()
}

func shownChange(db getter, ns string, p kv.Position, c *changeRow, value bool) (kv.Change, error) {
	change := kv.Change{
		Position:    p,
		Kind:        c.kind.change(),
		Key:         c.key,
		Version:     c.version,
		ContentType: c.contentType,
		At:          time.UnixMicro(c.at).UTC(),
	}
	if !value || c.kind != stateLive {
		return change, nil
	}
	if c.size > kv.MaxChangeValueBytes {
		change.Truncated = true
		return change, nil
	}
	var st state
	found, err := readVersion(db, ns, c.key, c.version, &st)
	if err != nil {
		return kv.Change{}, err
	}
	if !found || st.value == nil {
		return kv.Change{}, readError(errRow)
	}
	change.Value = st.value
	return change, nil
}

// Await implements [kv.Store].
func (s *Store) Await(ctx context.Context, ns string, after kv.Position) error {
	changed, cancel := s.waiters.add(ns)
	defer cancel()
	there, err := s.hasChange(ctx, ns, after)
	if err != nil || there {
		return err
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return errClosed
	}
}

// hasChange tells whether a namespace has a durable change after a position.
func (s *Store) hasChange(ctx context.Context, ns string, after kv.Position) (bool, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	durable := kv.Position(s.position.load())
	if after >= durable {
		return false, nil
	}
	v, err := newView(s.db, changeKey(nil, ns, after+1), changeKey(nil, ns, durable+1))
	if err != nil {
		return false, err
	}
	defer v.close()
	return v.First(), v.rowsError()
}

// waiters are the calls of Await, by namespace. A namespace that nobody waits
// for costs nothing.
type waiters struct {
	mu sync.Mutex
	of map[string]*waiting
}

type waiting struct {
	calls   int
	changed chan struct{}
}

// add gives a channel that the next change of the namespace closes. cancel has
// to be called in the end.
func (w *waiters) add(ns string) (changed <-chan struct{}, cancel func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = make(map[string]*waiting)
	}
	entry := w.of[ns]
	if entry == nil {
		entry = &waiting{changed: make(chan struct{})}
		w.of[ns] = entry
	}
	entry.calls++
	return entry.changed, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if entry.calls--; entry.calls == 0 && w.of[ns] == entry {
			delete(w.of, ns)
		}
	}
}

func (w *waiters) notify(namespaces []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.of) == 0 {
		return
	}
	for _, ns := range namespaces {
		if entry := w.of[ns]; entry != nil {
			close(entry.changed)
			delete(w.of, ns)
		}
	}
}
