package redis

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// Begin implements [cache.Cache].
func (c *Cache) Begin(ctx context.Context, keys []cache.Key, mark cache.Mark, ttl time.Duration) error {
	call := &call{script: c.scripts.begin, keys: make([]string, len(keys)), args: make([]any, 0, 2*len(keys))}
	number, err := c.enterWrite(ctx, call)
	if err != nil {
		return err
	}
	own, micros := any(id(uint64(mark))), any(ttl.Microseconds())
	for i, key := range keys {
		call.keys[i] = c.name(number, key)
		call.args = append(call.args, own, micros)
	}
	_, err = c.steps.make(ctx, call)
	return err
}

// Finish implements [cache.Cache].
func (c *Cache) Finish(ctx context.Context, writes []cache.Finished, mark cache.Mark) error {
	call := &call{script: c.scripts.finish, keys: make([]string, len(writes)), args: make([]any, 0, 5*len(writes))}
	number, err := c.enterWrite(ctx, call)
	if err != nil {
		return err
	}
	// Entries of an epoch that nobody reads yet could be out of date by the time
	// that somebody does: a write whose steps are made under the former epoch, or
	// not at all, does not remove them.
	readable, _, ok := c.epochs.Readable()
	keep := ok && readable == number
	own := any(id(uint64(mark)))
	for i, w := range writes {
		call.keys[i] = c.name(number, w.Key)
		var e stored
		if w.Entry != nil && keep {
			e = c.store(w.Entry, false)
		}
		call.args = append(call.args, own, int64(w.Version), e.kind, e.left, e.packed)
	}
	_, err = c.steps.make(ctx, call)
	return err
}

// Read implements [cache.Cache].
func (c *Cache) Read(ctx context.Context, key cache.Key) (cache.Lookup, error) {
	s, number, err := c.use(c.epochs.Readable)
	if err != nil {
		return cache.Lookup{}, err
	}
	value, err := c.reads.value(ctx, s, func(b []byte) []byte { return c.appendName(b, number, key) })
	if err != nil {
		return cache.Lookup{}, err
	}
	if isEntry(value) {
		// By this process's estimate the entry may have ended a moment before
		// Redis says so; then Redis decides.
		if now, expires := c.clock.now(s), expiryOf(value); expires == 0 || now < expires {
			return lookup(value, key, now)
		}
	}
	return c.readOrLease(ctx, s, number, key)
}

// Answers of the script read, but for entries.
const (
	answerLease = 'L'
	answerHeld  = 'H'
	answerBusy  = 'B'
)

func (c *Cache) readOrLease(ctx context.Context, s *session, number int64, key cache.Key) (cache.Lookup, error) {
	lease := newLease()
	answers, err := c.steps.make(ctx, &call{
		session: s, script: c.scripts.read,
		keys: []string{c.name(number, key)},
		args: []any{id(uint64(lease)), c.opts.LeaseTTL.Microseconds()},
	})
	if err != nil {
		return cache.Lookup{}, err
	}
	answer, _ := answers[0].(string)
	switch {
	case isEntry(answer):
		found, err := lookup(answer, key, c.clock.now(s))
		if !found.Entry.ExpiresAt.IsZero() {
			found.Entry.TTLLeft = max(found.Entry.TTLLeft, time.Microsecond)
		}
		return found, err
	case answer == string(answerLease):
		return cache.Lookup{Lease: lease}, nil
	case answer == string(answerBusy):
		return cache.Lookup{}, nil
	case len(answer) == 9 && answer[0] == answerHeld:
		return cache.Lookup{Held: cache.Lease(binary.LittleEndian.Uint64(bytesOf(answer[1:])))}, nil
	default:
		return cache.Lookup{}, errMalformed
	}
}

func lookup(value string, key cache.Key, now int64) (cache.Lookup, error) {
	e, absent, err := unpack(value, key.Key, now)
	if err != nil {
		return cache.Lookup{}, err
	}
	return cache.Lookup{Found: true, Entry: e, Absent: absent}, nil
}

// Fill implements [cache.Cache].
func (c *Cache) Fill(ctx context.Context, key cache.Key, lease cache.Lease, entry kv.Entry, absent bool) (bool, error) {
	call := &call{script: c.scripts.fill}
	number, err := c.enter(call)
	if err != nil {
		return false, err
	}
	e := c.store(&entry, absent)
	call.keys = []string{c.name(number, key)}
	call.args = []any{id(uint64(lease)), int64(entry.Version), e.kind, e.left, e.packed}
	answers, err := c.steps.make(ctx, call)
	if err != nil {
		return false, err
	}
	return answers[0] == int64(1), nil
}

// stored is an entry as the scripts take it. The zero value is one that is not
// to be stored.
type stored struct {
	kind   string
	left   int64 // µs, 0 for all time
	packed []byte
}

// store packs an entry, unless it is too large or has no time left.
func (c *Cache) store(e *kv.Entry, absent bool) stored {
	if absent {
		gone := kv.Entry{Position: e.Position}
		return stored{string(kindAbsent), c.opts.AbsentTTL.Microseconds(), pack(&gone)}
	}
	var left int64
	if !e.ExpiresAt.IsZero() {
		if left = e.TTLLeft.Microseconds(); left <= 0 {
			return stored{}
		}
	}
	if len(e.Value) >= c.opts.MaxEntryBytes {
		return stored{}
	}
	return stored{string(kindEntry), left, pack(e)}
}
