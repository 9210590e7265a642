package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

// builder runs the requests of a group against rows that are locked, one after
// another, and collects what they change. Each request sees what those before
// it have changed. The changes of one that fails are taken back.
type builder struct {
	now   int64 // µs
	head  int64 // the position up to which the change log had come
	floor int64

	reads  kv.ReadBudget // of the request that is being run
	fetch  func(address, kv.Version) (*state, error)
	failed error // of fetch: the transaction is over

	states     map[address]*state // nil for a key that has no row but its lock
	records    map[kv.WriteID]*recordRow
	fresh      map[kv.WriteID]bool // claimed by this group
	dirty      map[kv.WriteID]bool // records to be written
	namespaces map[string]*namespaceUse
	mutations  []mutation
}

// mutation is one change of one key, and what it takes to take it back.
type mutation struct {
	address
	before, after *state // before is nil for a key without a row
	usage         kv.Namespace
}

func newBuilder(w *work) *builder {
	b := &builder{
		states:     make(map[address]*state, len(w.keys)),
		records:    map[kv.WriteID]*recordRow{},
		fresh:      map[kv.WriteID]bool{},
		dirty:      map[kv.WriteID]bool{},
		namespaces: map[string]*namespaceUse{},
	}
	for _, at := range w.keys {
		b.states[at] = nil
	}
	return b
}

func (b *builder) scanEntries(rows pgx.Rows) error {
	return eachState(rows, func(at address, s *state) {
		if s.kind != kindLock {
			b.states[at] = s
		}
	})
}

func eachState(rows pgx.Rows, visit func(address, *state)) error {
	var ns, key []byte
	var s state
	_, err := pgx.ForEachRow(rows, []any{
		&ns, &key, &s.version, &s.kind, &s.created, &s.updated, &s.expires, &s.size, &s.contentType, &s.meta, &s.value,
	}, func() error {
		row := s
		visit(address{string(ns), string(key)}, &row)
		s.value = nil // the row keeps it
		return nil
	})
	return err
}

func (b *builder) scanNamespaces(rows pgx.Rows) (err error) {
	b.namespaces, err = scanNamespaces(rows)
	return err
}

// runRequest runs one request: all of its changes stand, or none does.
func (b *builder) runRequest(request func(*builder) error) error {
	b.reads = kv.ReadBudget{}
	mark := len(b.mutations)
	err := request(b)
	if err != nil {
		b.rollback(mark)
	}
	return err
}

// current gives what the last change made of a key, nil for a key without a
// row. It has to be one that the group has locked.
func (b *builder) current(ns, key string) (*state, error) {
	s, ok := b.states[address{ns, key}]
	if !ok {
		return nil, errRow
	}
	return s, nil
}

// version gives a version of a key, nil when it is not kept. Values that do not
// lie in the rows that were loaded are read one by one, so that a group never
// has more of them in memory than what it answers.
func (b *builder) version(at address, v kv.Version) (*state, error) {
	for i := range b.mutations {
		if m := &b.mutations[i]; m.address == at && m.after.version == v {
			return m.after, nil
		}
	}
	found, err := b.fetch(at, v)
	if err != nil {
		b.failed = err
	}
	return found, err
}

// value gives a live state's value.
func (b *builder) value(ns, key string, s *state) ([]byte, error) {
	if s.value != nil {
		return s.value, nil
	}
	full, err := b.version(address{ns, key}, s.version)
	if err != nil {
		return nil, err
	}
	if full == nil || full.value == nil {
		return nil, errRow
	}
	return full.value, nil
}

func (b *builder) namespace(name string) (*namespaceUse, error) {
	use := b.namespaces[name]
	if use == nil {
		return nil, errRow
	}
	return use, nil
}

// change makes after the state of a key, under a new version.
func (b *builder) change(ns, key string, before, after *state) error {
	use, err := b.namespace(ns)
	if err != nil {
		return err
	}
	at := address{ns, key}
	b.mutations = append(b.mutations, mutation{address: at, before: before, after: after, usage: use.Namespace})
	after.version = kv.NextVersion(before.lastVersion(), kv.Version(b.floor), b.now)
	after.updated = b.now
	entries, bytes := growth(key, before, after)
	use.Keys += entries
	use.Bytes += bytes
	b.states[at] = after
	return nil
}

// growth tells by how many live entries, and how many bytes of keys and values,
// a change makes its namespace grow.
func growth(key string, before, after *state) (entries, bytes int64) {
	if before != nil && before.kind == kindPut {
		entries--
		bytes -= int64(len(key)) + before.size
	}
	if after.kind == kindPut {
		entries++
		bytes += int64(len(key)) + after.size
	}
	return entries, bytes
}

// rollback takes back the mutations from mark on, the last first.
func (b *builder) rollback(mark int) {
	for i := len(b.mutations) - 1; i >= mark; i-- {
		m := &b.mutations[i]
		b.states[m.address] = m.before
		b.namespaces[m.ns].Namespace = m.usage
	}
	clear(b.mutations[mark:])
	b.mutations = b.mutations[:mark]
}

// queue adds the statements that write what has changed, and tells whether
// there is anything to commit.
func (b *builder) queue(batch *pgx.Batch, w *work) bool {
	recorded := b.queueRecords(batch)
	if len(b.mutations) == 0 {
		if recorded {
			b.queueUnlock(batch, w)
		}
		return recorded
	}
	b.queueEntries(batch, w)
	b.queueVersions(batch)
	b.queueUnlock(batch, w)
	b.queuePending(batch, w)
	return true
}

// queueEntries writes what the last change left of each key.
func (b *builder) queueEntries(batch *pgx.Batch, w *work) {
	changed := make(map[address]bool, len(b.mutations))
	for i := range b.mutations {
		changed[b.mutations[i].address] = true
	}
	rows := newStateColumns(len(changed))
	for _, at := range w.keys { // in their order
		if !changed[at] {
			continue
		}
		s := *b.states[at]
		if s.size > inlineLimit {
			s.value = nil
		}
		rows.add(at, &s)
	}
	batch.Queue(sqlUpdateEntries, rows.arguments()...)
}

func (b *builder) queueVersions(batch *pgx.Batch) {
	rows := newStateColumns(len(b.mutations))
	for i := range b.mutations {
		rows.add(b.mutations[i].address, b.mutations[i].after)
	}
	batch.Queue(sqlInsertVersions, rows.arguments()...)
}

// queueUnlock removes the rows that locked keys which stay absent.
func (b *builder) queueUnlock(batch *pgx.Batch, w *work) {
	var absent []address
	for _, at := range w.keys {
		if b.states[at] == nil {
			absent = append(absent, at)
		}
	}
	if len(absent) > 0 {
		namespaces, keys := columns(absent)
		batch.Queue(sqlUnlockEntries, namespaces, keys)
	}
}

// queuePending hands the changes to the sequencer, a row for each namespace
// with the changes in the order in which they were made.
func (b *builder) queuePending(batch *pgx.Batch, w *work) {
	for _, ns := range w.namespaces {
		var keys [][]byte
		var versions, previous []int64
		var kinds []int16
		var entries, bytes int64
		for i := range b.mutations {
			m := &b.mutations[i]
			if m.ns != ns {
				continue
			}
			keys = append(keys, []byte(m.key))
			versions = append(versions, int64(m.after.version))
			previous = append(previous, int64(m.before.lastVersion()))
			kinds = append(kinds, m.after.kind)
			n, size := growth(m.key, m.before, m.after)
			entries += n
			bytes += size
		}
		if len(keys) > 0 {
			batch.Queue(sqlInsertPending, w.id, []byte(ns), b.now, keys, versions, previous, kinds, entries, bytes)
		}
	}
}

// stateColumns are states as the arrays that statements take.
type stateColumns struct {
	namespaces, keys                           [][]byte
	versions, created, updated, expires, sizes []int64
	kinds                                      []int16
	types, metas                               []string
	values                                     [][]byte
}

func newStateColumns(n int) *stateColumns {
	c := &stateColumns{}
	for _, column := range []*[][]byte{&c.namespaces, &c.keys, &c.values} {
		*column = make([][]byte, 0, n)
	}
	for _, column := range []*[]int64{&c.versions, &c.created, &c.updated, &c.expires, &c.sizes} {
		*column = make([]int64, 0, n)
	}
	c.kinds = make([]int16, 0, n)
	c.types, c.metas = make([]string, 0, n), make([]string, 0, n)
	return c
}

func (c *stateColumns) add(at address, s *state) {
	c.namespaces = append(c.namespaces, []byte(at.ns))
	c.keys = append(c.keys, []byte(at.key))
	c.versions = append(c.versions, int64(s.version))
	c.kinds = append(c.kinds, s.kind)
	c.created = append(c.created, s.created)
	c.updated = append(c.updated, s.updated)
	c.expires = append(c.expires, s.expires)
	c.sizes = append(c.sizes, s.size)
	c.types = append(c.types, s.contentType)
	c.metas = append(c.metas, s.meta)
	c.values = append(c.values, s.value)
}

func (c *stateColumns) arguments() []any {
	return []any{
		c.namespaces, c.keys, c.versions, c.kinds, c.created, c.updated, c.expires, c.sizes, c.types, c.metas, c.values,
	}
}
