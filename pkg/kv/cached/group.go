package cached

import (
	"context"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// around makes the protocol's steps around a commit of many callers' puts: one
// Begin and one Finish for all of them, under one mark. Their keys differ, so
// that of each key it is the mark of one write.
func (s *Store) around(puts []*kv.GroupedPut, commit func()) {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.MarkTTL) // of no caller
	defer cancel()
	w := &write{mark: newMark(), keys: make([]cache.Key, len(puts))}
	for i, p := range puts {
		w.keys[i] = cache.Key{Namespace: p.Namespace, Key: p.Op.Key}
	}
	if err := s.begin(ctx, w); err != nil {
		for _, p := range puts {
			p.Err = err
		}
		return
	}
	commit()
	if s.process != nil {
		s.process.forget(w.keys)
	}
	w.changes = make([]cache.Finished, 0, len(puts))
	for i, p := range puts {
		switch {
		case p.Err == nil:
			w.changes = append(w.changes, cache.Finished{Key: w.keys[i], Version: p.Result.Version, Entry: whole(*p.Op, p.Result)})
		case refused(p.Err):
			w.changes = append(w.changes, cache.Finished{Key: w.keys[i]})
		} // the mark of one with an unknown outcome stands until it expires
	}
	if len(w.changes) == 0 {
		return
	}
	if err := s.confirm(ctx, w); err != nil {
		for _, p := range puts {
			if p.Err == nil {
				p.Result, p.Err = kv.Result{}, err
			}
		}
	}
}
