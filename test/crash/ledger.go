package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"sort"
	"strconv"

	"github.com/trivetkv/trivet/pkg/kv"
)

// A fault is a kind of broken promise.
type fault string

const (
	lost       fault = "lost"       // an acknowledged write is missing
	twice      fault = "twice"      // a write was made more than once
	torn       fault = "torn"       // a part of a transaction is missing, or not adjacent
	ghost      fault = "ghost"      // a change that nobody wrote, or that had been refused
	disorder   fault = "disorder"   // changes are not in the order of the writes
	backwards  fault = "backwards"  // a version is not above the one before
	gap        fault = "gap"        // the change log's positions are not dense
	condition  fault = "condition"  // a conditional write was made on another version
	arithmetic fault = "arithmetic" // a counter is not the sum of its increments
	stale      fault = "stale"      // a read does not give the last change
	answers    fault = "answers"    // an answer is outside the contract, or differs from the recorded one
	rewritten  fault = "rewritten"  // the change log or a history was changed
	ended      fault = "ended"      // the server ended by itself, or did not start
)

// violation is one broken promise with what is needed to look into it.
type violation struct {
	fault  fault
	ns     string
	key    string
	detail string
}

func (v violation) String() string {
	return fmt.Sprintf("%s: %s/%s: %s", v.fault, v.ns, v.key, v.detail)
}

// ledger is what the server has promised, held against its change log: the
// one place in which every write has to show, once, in order. It takes the log
// piece by piece, so that a round costs what it added.
type ledger struct {
	keys     map[place]*keyState
	tokens   map[string]*write // of every put
	steps    map[int64]*write  // of every increment, by what it adds
	open     []*request        // some of their writes wait for their change
	position kv.Position       // everything up to it has been read
	log      hash.Hash64       // of everything that has been read
	found    []violation
	seen     int // changes
}

type place struct{ ns, key string }

// keyState is a key after its last change.
type keyState struct {
	place
	live     bool
	value    []byte
	versions []version

	answered map[kv.Version]*write // that wait for their change
	unknown  []*write              // deletes that may or may not show
	latest   *write                // of those whose change was seen, the one that began last
	order    map[int]int           // by worker: the last of its writes that was seen
}

type version struct {
	number kv.Version
	kind   kv.ChangeKind
}

func newLedger() *ledger {
	return &ledger{keys: map[place]*keyState{}, tokens: map[string]*write{}, steps: map[int64]*write{}, log: fnv.New64a()}
}

func (l *ledger) violate(f fault, at place, format string, args ...any) {
	l.found = append(l.found, violation{f, at.ns, at.key, fmt.Sprintf(format, args...)})
}

func (l *ledger) key(at place) *keyState {
	k, ok := l.keys[at]
	if !ok {
		k = &keyState{place: at, answered: map[kv.Version]*write{}, order: map[int]int{}}
		l.keys[at] = k
	}
	return k
}

func (k *keyState) version() kv.Version {
	if n := len(k.versions); n > 0 {
		return k.versions[n-1].number
	}
	return 0
}

// current is the version that a condition sees: 0 when the key is absent.
func (k *keyState) current() kv.Version {
	if k.live {
		return k.version()
	}
	return 0
}

// expect adds requests whose changes may be in the log from now on. Requests
// that were added before are looked at again: their outcome may be known now.
func (l *ledger) expect(requests []*request) {
	carried := l.open
	for _, r := range requests {
		if !slices.Contains(carried, r) {
			l.open = append(l.open, r)
		}
	}
	for _, r := range l.open {
		for _, w := range r.writes {
			if w.position != 0 {
				continue
			}
			k := l.key(place{r.ns, w.key})
			switch {
			case w.kind == kv.KindPut:
				l.tokens[token(w.value)] = w
			case w.kind == kv.KindIncrement:
				l.steps[w.by] = w
			case w.outcome == unknown && !slices.Contains(k.unknown, w):
				k.unknown = append(k.unknown, w)
			}
			if w.version != 0 {
				if other := k.answered[w.version]; other != nil && other != w {
					l.violate(twice, k.place, "two writes were answered version %d", w.version)
				}
				k.answered[w.version] = w
			}
		}
	}
}

// read takes the changes of all namespaces behind the last ones.
func (l *ledger) read(changes []change) {
	// Each stream has to be in order by itself before they are merged.
	last := map[string]kv.Position{}
	for _, ch := range changes {
		if ch.Position <= last[ch.ns] {
			l.violate(disorder, place{ch.ns, ch.Key}, "position %d follows position %d", ch.Position, last[ch.ns])
		}
		last[ch.ns] = ch.Position
	}
	sort.SliceStable(changes, func(i, j int) bool { return changes[i].Position < changes[j].Position })
	for _, ch := range changes {
		if ch.Position != l.position+1 {
			l.violate(gap, place{ch.ns, ch.Key}, "position %d follows position %d of the whole log", ch.Position, l.position)
		}
		l.position = ch.Position
		l.seen++
		digest(l.log, ch)
		l.apply(ch)
	}
}

func digest(h hash.Hash64, ch change) {
	var n [16]byte
	binary.BigEndian.PutUint64(n[:8], uint64(ch.Position)) //nolint:gosec // positions are above 0
	binary.BigEndian.PutUint64(n[8:], uint64(ch.Version))  //nolint:gosec // versions are above 0
	_, _ = h.Write(n[:])
	for _, text := range []string{ch.ns, string(ch.Kind), ch.Key} {
		_, _ = h.Write([]byte(text))
		_, _ = h.Write([]byte{0})
	}
	_, _ = h.Write(ch.Value)
}

func (l *ledger) apply(ch change) {
	k := l.key(place{ch.ns, ch.Key})
	if ch.Version <= k.version() {
		l.violate(backwards, k.place, "version %d at position %d follows version %d", ch.Version, ch.Position, k.version())
	}
	if w := l.match(k, ch); w != nil {
		l.hold(k, ch, w)
		w.position = ch.Position
		delete(k.answered, w.version)
		k.unknown = slices.DeleteFunc(k.unknown, func(u *write) bool { return u == w })
	}
	k.versions = append(k.versions, version{ch.Version, ch.Kind})
	k.live = ch.Kind == kv.ChangePut
	k.value = ch.Value
}

// match finds the write that made a change: by what a put or an increment
// alone could have made, or a delete by its version.
func (l *ledger) match(k *keyState, ch change) *write {
	var w *write
	switch text := token(ch.Value); {
	case text != "":
		w = l.tokens[text]
	case ch.Kind == kv.ChangePut:
		n, _ := strconv.ParseInt(string(ch.Value), 10, 64)
		w = l.steps[n-k.number()]
	case k.answered[ch.Version] != nil:
		w = k.answered[ch.Version]
	default:
		w = k.unanswered()
	}
	switch {
	case w == nil && ch.Kind == kv.ChangeDelete:
		l.violate(twice, k.place, "no delete is left that could have made version %d at position %d", ch.Version, ch.Position)
	case w == nil:
		l.violate(ghost, k.place, "nobody wrote %.40q, version %d at position %d behind %.40q", ch.Value, ch.Version, ch.Position, k.value)
	case w.key != ch.Key || w.request.ns != ch.ns:
		l.violate(ghost, k.place, "version %d is what was written to %s/%s", ch.Version, w.request.ns, w.key)
		return nil
	case w.position != 0:
		l.violate(twice, k.place, "position %d is made by %s, and position %d before it", ch.Position, w, w.position)
		return nil
	}
	return w
}

// unanswered finds a delete of unknown outcome: the first of its worker that is
// not before what the worker is known to have done.
func (k *keyState) unanswered() *write {
	for _, w := range k.unknown {
		if w.position == 0 && w.version == 0 && !w.settled && w.seq > k.order[w.worker] {
			return w
		}
	}
	return nil
}

// number is a counter's value, 0 when it is absent.
func (k *keyState) number() int64 {
	if !k.live {
		return 0
	}
	n, _ := strconv.ParseInt(string(k.value), 10, 64)
	return n
}

// hold compares a change with what its write asked for and was answered.
func (l *ledger) hold(k *keyState, ch change, w *write) {
	at := k.place
	kind := kv.ChangePut
	if w.kind == kv.KindDelete {
		kind = kv.ChangeDelete
	}
	if ch.Kind != kind {
		l.violate(ghost, at, "a %s shows as a %s at position %d", w.kind, ch.Kind, ch.Position)
	}
	switch {
	case w.outcome == refused:
		l.violate(ghost, at, "version %d was refused and is in the log at position %d", ch.Version, ch.Position)
	case w.settled:
		l.violate(ghost, at, "version %d of an earlier round, unanswered and absent then, came up at position %d", ch.Version, ch.Position)
	case w.version != 0 && w.version != ch.Version:
		l.violate(lost, at, "version %d was answered; the log has %d at position %d", w.version, ch.Version, ch.Position)
	}
	if w.kind == kv.KindDelete && !k.live {
		l.violate(ghost, at, "version %d deletes an absent key", ch.Version)
	}
	if w.outcome == applied && w.kind == kv.KindPut && w.created == k.live {
		l.violate(answers, at, "version %d was answered with created %t on version %d", ch.Version, w.created, k.current())
	}
	if w.guard != nil && k.current() != *w.guard {
		l.violate(condition, at, "version %d was to be written over version %d, and was over %d", ch.Version, *w.guard, k.current())
	}
	if w.kind == kv.KindPut && !bytes.Equal(w.value, ch.Value) {
		l.violate(ghost, at, "version %d has %d bytes; %d were written, or they differ", ch.Version, len(ch.Value), len(w.value))
	}
	if w.kind == kv.KindIncrement {
		want := k.number() + w.by
		if string(ch.Value) != strconv.FormatInt(want, 10) || w.outcome == applied && w.number != 0 && w.number != want {
			l.violate(arithmetic, at, "%d + %d is %.40q in version %d, and was answered as %d", k.number(), w.by, ch.Value, ch.Version, w.number)
		}
	}
	if k.latest != nil && w.request.end < k.latest.request.start {
		l.violate(disorder, at, "position %d is of %s, and position %d before it of %s", ch.Position, w, k.latest.position, k.latest)
	}
	if w.seq < k.order[w.worker] {
		l.violate(disorder, at, "position %d is of %s, behind write %d of the same worker", ch.Position, w, k.order[w.worker])
	}
	k.order[w.worker] = w.seq
	if k.latest == nil || w.request.start > k.latest.request.start {
		k.latest = w
	}
}

// settle is called when the log has been read up to now: whatever was
// acknowledged has to be in it. retried tells the requests that are going to
// be repeated, whose outcome therefore stays open.
func (l *ledger) settle(retried func(*request) bool) {
	l.open = slices.DeleteFunc(l.open, func(r *request) bool {
		l.whole(r)
		waiting := false
		for _, w := range r.writes {
			waiting = l.missing(w, retried(r)) || waiting
		}
		return !waiting
	})
}

// missing looks at a write whose change is not in the log, and tells whether
// it may still come.
func (l *ledger) missing(w *write, retried bool) (waiting bool) {
	at := place{w.request.ns, w.key}
	k := l.key(at)
	switch {
	case w.position != 0:
	case w.outcome == applied || w.outcome == accepted:
		l.violate(lost, at, "%s answered as %s with version %d is not in the change log; the key is at version %d", w.kind, w.request.answer, w.version, k.version())
		delete(k.answered, w.version)
	case w.outcome == refused || w.settled:
	case retried:
		return true
	case w.request.async && k.order[w.worker] < w.seq:
		return true // it may be in the queue without having been confirmed
	default:
		w.settled = true
		k.unknown = slices.DeleteFunc(k.unknown, func(u *write) bool { return u == w })
	}
	return false
}

// whole holds a transaction's changes against each other.
func (l *ledger) whole(r *request) {
	if r.call != txn {
		return
	}
	var positions []kv.Position
	for _, w := range r.writes {
		if w.position != 0 {
			positions = append(positions, w.position)
		}
	}
	if len(positions) == 0 {
		return
	}
	at := place{r.ns, r.writes[0].key}
	if len(positions) != len(r.writes) {
		l.violate(torn, at, "%d of %d writes of a transaction are in the change log", len(positions), len(r.writes))
		return
	}
	if span := slices.Max(positions) - slices.Min(positions); int(span) != len(positions)-1 {
		l.violate(torn, at, "the %d changes of a transaction lie %d positions apart", len(positions), span)
	}
}

// queued tells whether a write that waits in a queue may still change a key.
func (l *ledger) queued(at place) bool {
	for _, r := range l.open {
		if r.async && r.ns == at.ns && r.writes[0].key == at.key {
			return true
		}
	}
	return false
}
