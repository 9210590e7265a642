package pebble

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

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
	snapshot := s.db.NewSnapshot()
	defer func() { _ = snapshot.Close() }()
	use, _, err := readNamespace(snapshot, ns)
	if err != nil {
		return kv.ChangePage{}, err
	}
	if q.After < use.trimmed {
		return kv.ChangePage{}, kv.ErrPositionExpired
	}
	return readChanges(ctx, snapshot, ns, q, durable)
}

func readChanges(ctx context.Context, db pebble.Reader, ns string, q kv.ChangeQuery, durable kv.Position) (kv.ChangePage, error) {
	it, err := db.NewIter(&pebble.IterOptions{
		LowerBound: changeKey(nil, ns, q.After+1),
		UpperBound: changeKey(nil, ns, durable+1),
	})
	if err != nil {
		return kv.ChangePage{}, readError(err)
	}
	defer func() { _ = it.Close() }()
	page := kv.ChangePage{Next: q.After}
	bytes := 0
	scanned := 0
	for valid := it.First(); valid; valid = it.Next() {
		if len(page.Changes) == q.Limit || bytes > kv.MaxPageBytes || scanned == maxScannedRows {
			page.More = true
			return page, nil
		}
		if scanned%256 == 0 && ctx.Err() != nil {
			return kv.ChangePage{}, ctx.Err()
		}
		scanned++
		row, err := it.ValueAndErr()
		if err != nil {
			return kv.ChangePage{}, readError(err)
		}
		c, err := decodeChange(row)
		if err != nil {
			return kv.ChangePage{}, readError(err)
		}
		page.Next = changePosition(it.Key())
		if !strings.HasPrefix(c.key, q.Prefix) {
			continue
		}
		change, err := shownChange(db, ns, page.Next, &c, q.Values)
		if err != nil {
			return kv.ChangePage{}, err
		}
		page.Changes = append(page.Changes, change)
		bytes += len(change.Value)
	}
	if err := it.Error(); err != nil {
		return kv.ChangePage{}, readError(err)
	}
	page.Next = durable
	return page, nil
}

func shownChange(db pebble.Reader, ns string, p kv.Position, c *changeRow, value bool) (kv.Change, error) {
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
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: changeKey(nil, ns, after+1),
		UpperBound: changeKey(nil, ns, durable+1),
	})
	if err != nil {
		return false, readError(err)
	}
	there := it.First()
	if err := it.Close(); err != nil {
		return false, readError(err)
	}
	return there, nil
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
