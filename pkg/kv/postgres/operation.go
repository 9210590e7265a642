package postgres

import (
	"strconv"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// apply runs one operation. A refusal is the error; only a get of an absent
// key has it in its result instead.
func (b *builder) apply(ns string, op *kv.Operation) (kv.Result, error) {
	current, err := b.current(ns, op.Key)
	if err != nil {
		return kv.Result{}, err
	}
	live := current.live(b.now)
	version := kv.Version(0)
	if live {
		version = current.version
	}
	if err := op.If.Check(version); err != nil {
		return kv.Result{}, err
	}
	switch op.Kind {
	case kv.KindGet:
		return b.get(ns, op.Key, current, live)
	case kv.KindPut:
		return b.put(ns, op, current)
	case kv.KindDelete:
		return b.drop(ns, op, current, live)
	case kv.KindIncrement:
		return b.increment(ns, op, current, live)
	case kv.KindRestore:
		return b.restore(ns, op, current)
	}
	return kv.Result{}, kv.Invalid("op", "unknown operation; it has to be put, get, delete or increment")
}

func (b *builder) get(ns, key string, current *state, live bool) (kv.Result, error) {
	if !live {
		return kv.Result{Kind: kv.KindGet, Key: key, Version: current.lastVersion(), Err: kv.ErrNotFound}, nil
	}
	if err := b.reads.Take(current.size); err != nil {
		return kv.Result{}, err
	}
	value, err := b.value(ns, key, current)
	if err != nil {
		return kv.Result{}, err
	}
	entry, err := current.entry(key, b.now, b.head)
	if err != nil {
		return kv.Result{}, err
	}
	entry.Value = value
	return kv.Result{Kind: kv.KindGet, Key: key, Version: current.version, Entry: &entry}, nil
}

func (b *builder) put(ns string, op *kv.Operation, current *state) (kv.Result, error) {
	ttl, err := b.ttl(ns, op.TTL)
	if err != nil {
		return kv.Result{}, err
	}
	meta, err := encodeMeta(op.Meta)
	if err != nil {
		return kv.Result{}, err
	}
	return b.store(ns, op, current, &state{
		expires:     b.expiry(ttl),
		contentType: op.ContentType,
		meta:        meta,
		value:       op.Value,
	})
}

// ttl gives the time to live of an entry that is written with the one asked
// for, 0 for the namespace's default.
func (b *builder) ttl(ns string, asked time.Duration) (time.Duration, error) {
	if asked != 0 {
		return asked, nil
	}
	use, err := b.namespace(ns)
	if err != nil {
		return 0, err
	}
	return use.DefaultTTL, nil
}

func (b *builder) expiry(ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return b.now + micros(ttl)
}

// store makes next the live state of a key: within the quotas, and after an
// expired entry that it replaces has been logged as such.
func (b *builder) store(ns string, op *kv.Operation, current, next *state) (kv.Result, error) {
	next.kind = kindPut
	next.value = notNil(next.value)
	next.size = int64(len(next.value))
	if err := b.checkQuota(ns, op.Key, current, next); err != nil {
		return kv.Result{}, err
	}
	created := !current.live(b.now)
	next.created = b.now
	if !created {
		next.created = current.created
	} else if current.lapsed(b.now) {
		var err error
		if current, err = b.expire(ns, op.Key, current); err != nil {
			return kv.Result{}, err
		}
	}
	if err := b.change(ns, op.Key, current, next); err != nil {
		return kv.Result{}, err
	}
	entry, err := next.entry(op.Key, b.now, b.head)
	if err != nil {
		return kv.Result{}, err
	}
	return kv.Result{Kind: op.Kind, Key: op.Key, Version: next.version, Created: created, Entry: &entry}, nil
}

// checkQuota refuses a write that takes the namespace further above a quota.
// What has expired counts until it is swept or replaced.
func (b *builder) checkQuota(ns, key string, current, next *state) error {
	use, err := b.namespace(ns)
	if err != nil {
		return err
	}
	entries, bytes := growth(key, current, next)
	return use.CheckQuota(entries, bytes)
}

// expire turns an entry into the tombstone of its expiry.
func (b *builder) expire(ns, key string, current *state) (*state, error) {
	tombstone := &state{kind: kindExpired, created: b.now}
	return tombstone, b.change(ns, key, current, tombstone)
}

func (b *builder) drop(ns string, op *kv.Operation, current *state, live bool) (kv.Result, error) {
	if !live {
		return kv.Result{}, kv.ErrNotFound
	}
	tombstone := &state{kind: kindDeleted, created: b.now}
	if err := b.change(ns, op.Key, current, tombstone); err != nil {
		return kv.Result{}, err
	}
	return kv.Result{Kind: op.Kind, Key: op.Key, Version: tombstone.version}, nil
}

// increment keeps time to live and metadata; a counter that it creates starts
// from 0 with the namespace's default time to live.
func (b *builder) increment(ns string, op *kv.Operation, current *state, live bool) (kv.Result, error) {
	next := &state{contentType: kv.CounterContentType}
	number := int64(0)
	if live {
		var err error
		// A value that is not in its row is too long for a number.
		if number, err = kv.Counter(current.value); err != nil {
			return kv.Result{}, err
		}
		next.contentType, next.meta, next.expires = current.contentType, current.meta, current.expires
	} else {
		ttl, err := b.ttl(ns, 0)
		if err != nil {
			return kv.Result{}, err
		}
		next.expires = b.expiry(ttl)
	}
	number, err := kv.Increment(number, op.By)
	if err != nil {
		return kv.Result{}, err
	}
	next.value = strconv.AppendInt(nil, number, 10)
	result, err := b.store(ns, op, current, next)
	result.Number = number
	return result, err
}

// restore writes a former version again, without its time to live.
func (b *builder) restore(ns string, op *kv.Operation, current *state) (kv.Result, error) {
	former, err := b.version(address{ns, op.Key}, op.Restore)
	if err != nil {
		return kv.Result{}, err
	}
	if former == nil || former.kind != kindPut {
		return kv.Result{}, kv.Errorf(kv.CodeNotFound, "the version does not exist, is past retention, or is a deletion")
	}
	return b.store(ns, op, current, &state{contentType: former.contentType, meta: former.meta, value: former.value})
}

// sweep expires entries that are still as the index of expiries had them.
func (b *builder) sweep(lapsed []lapsedEntry) error {
	for _, x := range lapsed {
		current, err := b.current(x.ns, x.key)
		if err != nil {
			return err
		}
		if current.lapsed(b.now) && current.version == x.version {
			if _, err := b.expire(x.ns, x.key, current); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *builder) txn(ns string, txn *kv.Txn) (kv.TxnResult, error) {
	return txn.Run(
		func(c *kv.Compare) (bool, error) { return b.compare(ns, c) },
		func(op *kv.Operation) (kv.Result, error) { return b.apply(ns, op) },
	)
}

// compare holds a key's state against a compare's operand.
func (b *builder) compare(ns string, c *kv.Compare) (bool, error) {
	current, err := b.current(ns, c.Key)
	if err != nil {
		return false, err
	}
	return c.Holds(current.live(b.now), current.lastVersion(), func() ([]byte, error) {
		if err := b.reads.Take(current.size); err != nil {
			return nil, err
		}
		return b.value(ns, c.Key, current)
	})
}
