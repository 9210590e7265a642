package auth

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// load reads all tokens and the position from which their changes follow.
func (r *Registry) load(ctx context.Context) error {
	asked := r.now()
	credentials := map[string]*credential{}
	position := kv.Position(-1)
	r.mu.Lock()
	defer r.mu.Unlock()
	for q := (kv.ListQuery{Limit: kv.MaxPageEntries, Values: true}); ; {
		page, err := r.store.List(ctx, tokensNamespace, q)
		if err != nil {
			return err
		}
		if position < 0 {
			position = page.Position // of the first page: what changes while the next are read comes again
		}
		for _, entry := range page.Entries {
			rec, err := decodeRecord(entry.Value)
			if err != nil {
				r.log.Error("a token is left out", "token", entry.Key, "error", err)
				continue
			}
			credentials[entry.Key] = r.newCredential(entry.Key, rec, entry.Version)
		}
		if q.Cursor = page.Cursor; q.Cursor == "" {
			break
		}
	}
	if err := r.loadUses(ctx); err != nil {
		return err
	}
	maps.DeleteFunc(r.uses, func(id string, _ *atomic.Int64) bool { return credentials[id] == nil })
	clear(r.revoked) // the list was read behind their deletion
	for id := range r.writing {
		if before := (*r.credentials.Load())[id]; before != nil && credentials[id] == nil {
			r.revoked[id] = struct{}{}
		}
	}
	r.position = position
	r.replace(credentials)
	r.confirmed.Store(asked.UnixNano())
	return nil
}

// follow keeps the tokens as the change log says, until ctx ends.
func (r *Registry) follow(ctx context.Context) {
	for ctx.Err() == nil {
		r.wait(ctx)
		err := r.catchUp(ctx)
		if errors.Is(err, kv.ErrPositionExpired) {
			err = r.load(ctx)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		r.log.Warn("the changes of tokens cannot be read", "error", err)
		pause(ctx, pollInterval)
	}
}

// wait returns with the next change of a token, at the latest after the poll
// interval.
func (r *Registry) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	if err := r.store.Await(ctx, tokensNamespace, r.position); err != nil {
		<-ctx.Done() // a store that answers at once must not make this a busy loop
	}
}

func (r *Registry) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, staleAfter)
	defer cancel()
	r.mu.Lock()
	revoked := slices.Collect(maps.Keys(r.revoked))
	r.mu.Unlock()
	for {
		asked := r.now()
		page, err := r.store.Changes(ctx, tokensNamespace, kv.ChangeQuery{After: r.position, Limit: kv.MaxPageEntries, Values: true})
		if err != nil {
			return err
		}
		for _, change := range page.Changes {
			r.apply(change)
		}
		r.position = page.Next
		if !page.More {
			r.confirmed.Store(asked.UnixNano())
			r.forgetRevoked(revoked)
			return nil
		}
	}
}

// forgetRevoked forgets tokens that were revoked here before the change log was
// read to its end: nothing that it has told of them since can be older.
func (r *Registry) forgetRevoked(ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if r.writing[id] == 0 {
			delete(r.revoked, id)
		}
	}
}

// apply puts a change in force. No id is ever used again, so a deletion is the
// last change of its token.
func (r *Registry) apply(change kv.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if change.Kind != kv.ChangePut {
		r.remove(change.Key)
		if r.writing[change.Key] > 0 {
			r.revoked[change.Key] = struct{}{} // the write was before this change, and ends after it
		}
		return
	}
	rec, err := decodeRecord(change.Value)
	if err != nil {
		r.log.Error("a token is left out", "token", change.Key, "error", err)
		r.remove(change.Key)
		return
	}
	r.set(r.newCredential(change.Key, rec, change.Version))
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// keepNoUses lets the store keep the last use of each token alone: what was
// before it, one version for each minute of use, is for nobody.
func (r *Registry) keepNoUses(ctx context.Context) error {
	settings, err := r.store.Namespace(ctx, usesNamespace)
	if err != nil || settings.Retention == 0 {
		return err
	}
	settings.Retention = 0
	_, err = r.store.SetNamespace(ctx, settings)
	return err
}

// loadUses reads when tokens were last used. The caller holds r.mu.
func (r *Registry) loadUses(ctx context.Context) error {
	for q := (kv.ListQuery{Limit: kv.MaxPageEntries, Values: true}); ; {
		page, err := r.store.List(ctx, usesNamespace, q)
		if err != nil {
			return err
		}
		for _, entry := range page.Entries {
			if at, err := time.Parse(time.RFC3339Nano, string(entry.Value)); err == nil {
				raise(r.useOf(entry.Key), at.UnixMilli())
			}
		}
		if q.Cursor = page.Cursor; q.Cursor == "" {
			return nil
		}
	}
}

// recordUses writes down once a minute, and when it ends, which tokens were
// used since.
func (r *Registry) recordUses(ctx context.Context) {
	written := map[string]int64{}
	for id, c := range *r.credentials.Load() {
		written[id] = c.lastUsed.Load()
	}
	for ctx.Err() == nil {
		pause(ctx, useInterval)
		if err := r.writeUses(context.WithoutCancel(ctx), written); err != nil {
			r.log.Warn("the last use of tokens cannot be written", "error", err)
		}
	}
}

func (r *Registry) writeUses(ctx context.Context, written map[string]int64) error {
	ctx, cancel := context.WithTimeout(ctx, staleAfter)
	defer cancel()
	credentials := *r.credentials.Load()
	ops := make([]kv.Operation, 0, len(credentials))
	for id, c := range credentials {
		ms := c.lastUsed.Load()
		if ms == 0 || ms == written[id] {
			continue
		}
		written[id] = ms
		value := []byte(time.UnixMilli(ms).UTC().Format(time.RFC3339Nano))
		ops = append(ops, kv.Operation{Kind: kv.KindPut, Key: id, Value: value})
	}
	for id := range written {
		if credentials[id] == nil {
			delete(written, id)
			ops = append(ops, kv.Operation{Kind: kv.KindDelete, Key: id})
		}
	}
	for len(ops) > 0 {
		n := min(len(ops), kv.MaxBatchOperations)
		if _, err := r.store.Batch(ctx, usesNamespace, ops[:n], kv.Identity{}); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}

// raise sets an instant forward, never back.
func raise(at *atomic.Int64, ms int64) {
	for {
		old := at.Load()
		if ms <= old || at.CompareAndSwap(old, ms) {
			return
		}
	}
}
