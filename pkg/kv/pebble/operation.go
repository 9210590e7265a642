package pebble

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
		return b.get(ns, op.Key, current)
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

func (b *builder) get(ns, key string, current *state) (kv.Result, error) {
	if !current.live(b.now) {
		return kv.Result{Kind: kv.KindGet, Key: key, Version: current.lastVersion(), Err: kv.ErrNotFound}, nil
	}
	if err := b.reads.Take(current.size); err != nil {
		return kv.Result{}, err
	}
	if _, err := b.value(ns, key, current); err != nil {
		return kv.Result{}, err
	}
	entry, err := current.entry(key, b.now)
	if err != nil {
		return kv.Result{}, readError(err)
	}
	return kv.Result{Kind: kv.KindGet, Key: key, Version: current.version, Entry: &entry}, nil
}

func (b *builder) put(ns string, op *kv.Operation, current *state) (kv.Result, error) {
	ttl, err := b.ttl(ns, op.TTL)
	if err != nil {
		return kv.Result{}, err
	}
	return b.store(ns, op, current, &state{
		expires:     b.expiry(ttl),
		contentType: op.ContentType,
		meta:        encodeMeta(op.Meta),
		value:       op.Value,
	}, op.Meta)
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
	return use.defaultTTL, nil
}

func (b *builder) expiry(ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return b.now + ttl.Microseconds()
}

// store makes next the live state of a key: within the quotas, and after an
// expired entry that it replaces has been logged as such.
func (b *builder) store(ns string, op *kv.Operation, current, next *state, meta map[string]string) (kv.Result, error) {
	if next.value == nil {
		next.value = []byte{}
	}
	next.size = int64(len(next.value))
	next.external = next.size > inlineLimit
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
	shown := *next
	shown.meta = nil
	entry, err := shown.entry(op.Key, b.now)
	if err != nil {
		return kv.Result{}, err
	}
	entry.Meta = meta
	return kv.Result{Kind: op.Kind, Key: op.Key, Version: next.version, Created: created, Entry: &entry}, nil
}

// checkQuota refuses a write that takes the namespace further above a quota.
// What has expired counts until it is swept or replaced.
func (b *builder) checkQuota(ns, key string, current, next *state) error {
	use, err := b.namespace(ns)
	if err != nil {
		return err
	}
	keys, bytes := int64(1), int64(len(key))+next.size
	if current != nil && current.kind == stateLive {
		keys, bytes = 0, next.size-current.size
	}
	shown := use.namespace(ns)
	return shown.CheckQuota(keys, bytes)
}

// expire turns an entry into the tombstone of its expiry.
func (b *builder) expire(ns, key string, current *state) (*state, error) {
	tombstone := &state{kind: stateExpired, created: b.now}
	return tombstone, b.change(ns, key, current, tombstone)
}

func (b *builder) drop(ns string, op *kv.Operation, current *state, live bool) (kv.Result, error) {
	if !live {
		return kv.Result{}, kv.ErrNotFound
	}
	tombstone := &state{kind: stateDeleted, created: b.now}
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
	meta, err := decodeMeta(next.meta)
	if err != nil {
		return kv.Result{}, readError(err)
	}
	result, err := b.store(ns, op, current, next, meta)
	result.Number = number
	return result, err
}

// restore writes a former version again, without its time to live.
func (b *builder) restore(ns string, op *kv.Operation, current *state) (kv.Result, error) {
	former := current
	if current.lastVersion() != op.Restore {
		var err error
		if former, err = b.past(ns, op.Key, op.Restore); err != nil {
			return kv.Result{}, err
		}
	}
	if former == nil || former.kind != stateLive {
		return kv.Result{}, kv.Errorf(kv.CodeNotFound, "the version does not exist, is past retention, or is a deletion")
	}
	value, err := b.value(ns, op.Key, former)
	if err != nil {
		return kv.Result{}, err
	}
	meta, err := decodeMeta(former.meta)
	if err != nil {
		return kv.Result{}, readError(err)
	}
	return b.store(ns, op, current, &state{contentType: former.contentType, meta: former.meta, value: value}, meta)
}
