package pebble

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/trivetkv/trivet/pkg/kv"
)

// builder runs requests against the store's state and collects what they
// change in one batch of rows. Only the committer uses it.
//
// Each request sees what those before it have changed: records that the batch
// touched are kept beside it, so that nothing has to be searched for in the
// batch itself. The changes of a request become rows when it has succeeded,
// and are taken back when it fails.
type builder struct {
	db    *pebble.DB
	clock func() time.Time

	rows *pebble.Batch
	head head
	now  int64 // µs, of the request that is being run

	reads kv.ReadBudget // of the request that is being run

	states     map[address]*state // touched by this batch; nil for a key without a row
	records    map[kv.WriteID]*recordRow
	namespaces map[string]*namespaceUse // outlives the batch
	mutations  []mutation               // of this batch
	written    int                      // mutations[:written] are in rows

	buf []byte
	val []byte
}

// address is a key within its namespace.
type address struct{ ns, key string }

// mutation is one change of one key, and what it takes to take it back.
type mutation struct {
	address
	before, after *state // before is nil for a key without a row
	usage         namespaceUse
	head          head
}

// namespaceUse is a namespace as the batch under construction leaves it.
type namespaceUse struct {
	namespaceRow
	exists bool
	dirty  bool // its row has to be written
}

// maxCachedNamespaces bounds what the builder keeps from batch to batch.
const maxCachedNamespaces = 4096

func newBuilder(db *pebble.DB, h head, clock func() time.Time) *builder {
	return &builder{
		db:         db,
		clock:      clock,
		head:       h,
		states:     make(map[address]*state),
		records:    make(map[kv.WriteID]*recordRow),
		namespaces: make(map[string]*namespaceUse),
	}
}

// begin starts a batch.
func (b *builder) begin() {
	b.rows = b.db.NewBatch()
	clear(b.states)
	clear(b.records)
	clear(b.mutations) // lets go of values
	b.mutations, b.written = b.mutations[:0], 0
	if len(b.namespaces) > maxCachedNamespaces {
		clear(b.namespaces)
	}
}

// run runs one request: all of its changes become rows, or none does.
func (b *builder) run(request func(*builder) error) error {
	b.now = b.clock().UnixMicro()
	b.reads = kv.ReadBudget{}
	mark := len(b.mutations)
	err := request(b)
	if err != nil {
		b.rollback(mark)
	}
	b.write()
	return err
}

// finish gives the batch's rows, or nil when nothing was changed.
func (b *builder) finish() *pebble.Batch {
	for name, ns := range b.namespaces {
		if ns.dirty {
			b.buf = namespaceKey(b.buf[:0], name)
			b.val = appendNamespace(b.val[:0], &ns.namespaceRow)
			b.set(b.buf, b.val)
			ns.dirty, ns.exists = false, true
		}
	}
	if b.rows.Empty() {
		_ = b.rows.Close() // nothing was written
		return nil
	}
	b.head.sequence++
	b.val = appendHead(b.val[:0], b.head)
	b.set(stateKey, b.val)
	return b.rows
}

// set and remove put a row into the batch. Batches that are not indexed never
// refuse one.
func (b *builder) set(key, value []byte) { _ = b.rows.Set(key, value, nil) }
func (b *builder) remove(key []byte)     { _ = b.rows.Delete(key, nil) }

// current gives what the last change made of a key, nil for a key without a
// row.
func (b *builder) current(ns, key string) (*state, error) {
	at := address{ns, key}
	if s, ok := b.states[at]; ok {
		return s, nil
	}
	b.buf = currentKey(b.buf[:0], ns, key)
	s, err := b.readState(b.buf)
	if err != nil {
		return nil, err
	}
	b.states[at] = s
	return s, nil
}

// past gives a former state of a key, nil when it is not kept.
func (b *builder) past(ns, key string, v kv.Version) (*state, error) {
	for i := range b.mutations {
		if m := &b.mutations[i]; m.key == key && m.ns == ns && m.before != nil && m.before.version == v {
			return m.before, nil
		}
	}
	b.buf = historyKey(b.buf[:0], ns, key, v)
	return b.readState(b.buf)
}

func (b *builder) readState(key []byte) (*state, error) {
	row, closer, err := b.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, readError(err)
	}
	defer func() { _ = closer.Close() }()
	s := new(state)
	if err := decodeState(row, s); err != nil {
		return nil, readError(err)
	}
	s.detach()
	return s, nil
}

// value gives a live state's value.
func (b *builder) value(ns, key string, s *state) ([]byte, error) {
	if s.value != nil {
		return s.value, nil
	}
	b.buf = historyKey(b.buf[:0], ns, key, s.version)
	full, err := b.readState(b.buf)
	if err != nil {
		return nil, err
	}
	if full == nil || full.value == nil {
		return nil, readError(errRow)
	}
	s.value = full.value
	return s.value, nil
}

// namespace gives a namespace's settings and usage, defaults for one that does
// not exist yet.
func (b *builder) namespace(name string) (*namespaceUse, error) {
	if ns, ok := b.namespaces[name]; ok {
		return ns, nil
	}
	row, exists, err := readNamespace(b.db, name)
	if err != nil {
		return nil, err
	}
	ns := &namespaceUse{namespaceRow: row, exists: exists}
	b.namespaces[name] = ns
	return ns, nil
}

// change makes after the state of a key, under a new version and position.
func (b *builder) change(ns, key string, before, after *state) error {
	use, err := b.namespace(ns)
	if err != nil {
		return err
	}
	at := address{ns, key}
	b.mutations = append(b.mutations, mutation{address: at, before: before, after: after, usage: *use, head: b.head})
	b.head.position++
	after.position = b.head.position
	after.version = kv.NextVersion(before.lastVersion(), b.head.floor, b.now)
	after.updated = b.now
	if before != nil && before.kind == stateLive {
		use.keys--
		use.bytes -= int64(len(key)) + before.size
	}
	if after.kind == stateLive {
		use.keys++
		use.bytes += int64(len(key)) + after.size
	}
	use.dirty = true
	b.states[at] = after
	return nil
}

// rollback takes back the mutations from mark on, the last first.
func (b *builder) rollback(mark int) {
	for i := len(b.mutations) - 1; i >= mark; i-- {
		m := &b.mutations[i]
		b.states[m.address] = m.before
		*b.namespaces[m.ns] = m.usage
		b.head = m.head
	}
	clear(b.mutations[mark:])
	b.mutations = b.mutations[:mark]
}

// write turns the mutations of the request that was run into rows.
func (b *builder) write() {
	for ; b.written < len(b.mutations); b.written++ {
		m := &b.mutations[b.written]
		before, after := m.before, m.after
		if before != nil && !before.external {
			b.setHistory(m.address, before)
		}
		if after.external {
			b.setHistory(m.address, after)
		}
		b.setCurrent(m.address, after)
		b.setChange(m)
		if before != nil && before.expires != 0 && before.expires != after.expires {
			b.buf = expiryKey(b.buf[:0], before.expires, m.ns, m.key)
			b.remove(b.buf)
		}
		if after.expires != 0 {
			b.buf = expiryKey(b.buf[:0], after.expires, m.ns, m.key)
			b.set(b.buf, nil)
		}
	}
}

func (b *builder) setCurrent(at address, s *state) {
	b.buf = currentKey(b.buf[:0], at.ns, at.key)
	b.val = appendState(b.val[:0], s, !s.external)
	b.set(b.buf, b.val)
}

func (b *builder) setHistory(at address, s *state) {
	b.buf = historyKey(b.buf[:0], at.ns, at.key, s.version)
	b.val = appendState(b.val[:0], s, true)
	b.set(b.buf, b.val)
	if cap(b.val) > maxKeptBuffer {
		b.val = nil
	}
}

// maxKeptBuffer is how large a buffer may be, in bytes, that is kept for the
// next row.
const maxKeptBuffer = 1 << 20

func (b *builder) setChange(m *mutation) {
	b.buf = changeKey(b.buf[:0], m.ns, m.after.position)
	b.val = appendChange(b.val[:0], &changeRow{
		kind:        m.after.kind,
		version:     m.after.version,
		previous:    m.before.lastVersion(),
		at:          m.after.updated,
		size:        m.after.size,
		key:         m.key,
		contentType: m.after.contentType,
	})
	b.set(b.buf, b.val)
}
