package postgres

import (
	"context"
	"fmt"
)

const (
	// maxReadGroups bounds the groups of reads under way. Few and large ones
	// cost the server less than many small ones.
	maxReadGroups = 2

	// maxReadGroup bounds the keys that are read together.
	maxReadGroup = 128

	// maxGroupedValue bounds the values that are read together with others, and
	// with them what a group holds in memory. A larger one is read by itself.
	maxGroupedValue = 64 << 10
)

// lookup is one read of a key that may share a round trip with others. What a
// group answers was read after the last of its callers had asked, so that each
// is answered as if it had read alone.
type lookup struct {
	ns, key string
	done    chan struct{} // closed when the fields below are set

	st       state
	now      int64
	head     int64
	unplaced bool
	alone    bool // the value is too large for a group
	err      error
}

// look reads a key, with whoever else reads at this moment.
func (s *Store) look(ctx context.Context, ns, key string) *lookup {
	l := &lookup{ns: ns, key: key, done: make(chan struct{})}
	if !s.lookups.submit(l) {
		l.err = errClosed
		return l
	}
	select {
	case <-l.done:
		return l
	case <-ctx.Done():
		return &lookup{err: ctx.Err()} // the group goes on for the others
	}
}

func takeLookups(queue []*lookup) (batch, rest []*lookup) {
	n := min(len(queue), maxReadGroup)
	return queue[:n:n], queue[n:]
}

// lookUp reads the keys of a group.
func (s *Store) lookUp(group []*lookup) {
	ctx, cancel := context.WithTimeout(s.life, s.opts.ConnectTimeout+s.opts.StatementTimeout)
	defer cancel()
	var err error
	if len(group) == 1 {
		err = s.read(ctx, "get", func(ctx context.Context) error { return s.getOne(ctx, group[0]) })
	} else {
		err = s.read(ctx, "get", func(ctx context.Context) error { return s.getGroup(ctx, group) })
	}
	for _, l := range group {
		l.err = err
		close(l.done)
	}
}

func (s *Store) getOne(ctx context.Context, l *lookup) error {
	return s.pool.QueryRow(ctx, sqlGet, []byte(l.ns), []byte(l.key), s.clock()).Scan(
		&l.now, &l.head, &l.st.version, &l.st.kind, &l.st.created, &l.st.updated, &l.st.expires, &l.st.size,
		&l.st.contentType, &l.st.meta, &l.st.value, &l.unplaced,
	)
}

func (s *Store) getGroup(ctx context.Context, group []*lookup) error {
	namespaces, keys, places := make([][]byte, len(group)), make([][]byte, len(group)), make([]int64, len(group))
	for i, l := range group {
		namespaces[i], keys[i], places[i] = []byte(l.ns), []byte(l.key), int64(i)
	}
	rows, err := s.pool.Query(ctx, sqlGetGroup, namespaces, keys, places, s.clock(), int64(maxGroupedValue))
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var place int64
		var l lookup
		if err := rows.Scan(&place, &l.now, &l.head, &l.st.version, &l.st.kind, &l.st.created, &l.st.updated, &l.st.expires,
			&l.st.size, &l.st.contentType, &l.st.meta, &l.st.value, &l.unplaced); err != nil {
			return err
		}
		asked := group[place]
		asked.now, asked.head, asked.st, asked.unplaced = l.now, l.head, l.st, l.unplaced
		asked.alone = l.st.kind == kindPut && l.st.size > maxGroupedValue
		n++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if n != len(group) {
		return fmt.Errorf("%d keys were asked for, %d were answered", len(group), n)
	}
	return nil
}
