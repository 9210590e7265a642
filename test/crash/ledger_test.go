package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

// story makes requests and changes by hand, in a namespace of its own.
type story struct {
	requests []*request
	changes  []change
	seq      int
}

// wrote adds a request that was answered with versions, or was not when they
// are zero.
func (s *story) wrote(c call, worker int, start, end clock, writes ...*write) *request {
	r := &request{ns: "ns", call: c, writes: writes, start: start, end: end}
	for _, w := range writes {
		s.seq++
		w.request, w.worker, w.seq = r, worker, s.seq
		if w.version != 0 {
			w.outcome, r.answered = applied, true
		}
	}
	s.requests = append(s.requests, r)
	return r
}

func put(key, name string, v kv.Version) *write {
	return &write{kind: kv.KindPut, key: key, value: []byte(name + "|"), version: v, created: true}
}

func replace(key, name string, v kv.Version) *write {
	w := put(key, name, v)
	w.created = false
	return w
}

// logged adds the next change.
func (s *story) logged(kind kv.ChangeKind, key, value string, v kv.Version) {
	position := kv.Position(1)
	if n := len(s.changes); n > 0 {
		position = s.changes[n-1].Position + 1
	}
	s.changes = append(s.changes, change{"ns", kv.Change{Position: position, Kind: kind, Key: key, Version: v, Value: []byte(value)}})
}

func (s *story) puts(key, name string, v kv.Version) { s.logged(kv.ChangePut, key, name+"|", v) }

func (s *story) faults() []fault {
	l := newLedger()
	l.expect(s.requests)
	l.read(s.changes)
	l.settle(func(*request) bool { return false })
	var found []fault
	for _, v := range l.found {
		found = append(found, v.fault)
	}
	return found
}

func TestLedger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tell func(*story)
		want []fault
	}{
		"an answered write is there": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
			s.puts("k", "a", 5)
		}, nil},
		"an answered write is missing": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
		}, []fault{lost}},
		"an answered write has another version": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
			s.puts("k", "a", 6)
		}, []fault{lost}},
		"an unanswered write is there": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 0))
			s.puts("k", "a", 5)
		}, nil},
		"an unanswered write is missing": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 0))
		}, nil},
		"an accepted write is missing": {func(s *story) {
			r := s.wrote(single, 1, 0, forever, put("k", "a", 0))
			r.async, r.answered, r.writes[0].outcome = true, true, accepted
		}, []fault{lost}},
		"a write is there twice": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
			s.puts("k", "a", 5)
			s.puts("k", "a", 6)
		}, []fault{twice}},
		"a delete is there twice": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
			s.wrote(single, 1, 2, 3, &write{kind: kv.KindDelete, key: "k", version: 6})
			s.wrote(single, 1, 4, 5, put("k", "b", 7))
			s.puts("k", "a", 5)
			s.logged(kv.ChangeDelete, "k", "", 6)
			s.puts("k", "b", 7)
			s.logged(kv.ChangeDelete, "k", "", 8)
		}, []fault{twice}},
		"two writes are answered one version": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
			s.wrote(single, 1, 2, 3, replace("k", "b", 5))
			s.puts("k", "a", 5)
			s.puts("k", "b", 6)
		}, []fault{twice, lost}},
		"nobody wrote a change": {func(s *story) {
			s.puts("k", "a", 5)
		}, []fault{ghost}},
		"a refused write is there": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 0)).writes[0].outcome = refused
			s.puts("k", "a", 5)
		}, []fault{ghost}},
		"a value is under another key": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 0))
			s.puts("other", "a", 5)
		}, []fault{ghost}},
		"a value was cut": {func(s *story) {
			w := put("k", "a", 5)
			w.value = []byte("a|whole")
			s.wrote(single, 1, 0, 1, w)
			s.puts("k", "a", 5)
		}, []fault{ghost}},
		"a version goes back": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 0))
			s.wrote(single, 1, 2, 3, put("k", "b", 0))
			s.puts("k", "a", 5)
			s.puts("k", "b", 4)
		}, []fault{backwards}},
		"the log has a hole": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
			s.wrote(single, 1, 2, 3, put("l", "b", 6))
			s.puts("k", "a", 5)
			s.puts("l", "b", 6)
			s.changes[1].Position++
		}, []fault{gap}},
		"a write shows before one that had been answered": {func(s *story) {
			s.wrote(single, 1, 0, 10, put("k", "a", 6))
			s.wrote(single, 2, 20, 30, put("k", "b", 5))
			s.requests[0].writes[0].created = false
			s.puts("k", "b", 5)
			s.puts("k", "a", 6)
		}, []fault{disorder}},
		"writes at the same time may have any order": {func(s *story) {
			s.wrote(single, 1, 0, 30, replace("k", "a", 6))
			s.wrote(single, 2, 20, 40, put("k", "b", 5))
			s.puts("k", "b", 5)
			s.puts("k", "a", 6)
		}, nil},
		"accepted writes of a worker change places": {func(s *story) {
			for _, name := range []string{"a", "b"} {
				r := s.wrote(single, 1, 0, forever, put("k", name, 0))
				r.async, r.writes[0].outcome = true, accepted
			}
			s.puts("k", "b", 5)
			s.puts("k", "a", 6)
		}, []fault{disorder}},
		"a conditional write is over another version": {func(s *story) {
			guard := kv.Version(4)
			w := replace("k", "b", 6)
			w.guard = &guard
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
			s.wrote(single, 1, 2, 3, w)
			s.puts("k", "a", 5)
			s.puts("k", "b", 6)
		}, []fault{condition}},
		"a create is over a key": {func(s *story) {
			w := replace("k", "b", 6)
			w.guard = new(kv.Version)
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
			s.wrote(single, 1, 2, 3, w)
			s.puts("k", "a", 5)
			s.puts("k", "b", 6)
		}, []fault{condition}},
		"a replaced key is answered as created": {func(s *story) {
			s.wrote(single, 1, 0, 1, put("k", "a", 5))
			s.wrote(single, 1, 2, 3, put("k", "b", 6))
			s.puts("k", "a", 5)
			s.puts("k", "b", 6)
		}, []fault{answers}},
		"increments add up": {func(s *story) {
			s.wrote(single, 1, 0, 9, &write{kind: kv.KindIncrement, key: "n", by: 64, version: 5, number: 64})
			s.wrote(single, 2, 0, 9, &write{kind: kv.KindIncrement, key: "n", by: 65})
			s.logged(kv.ChangePut, "n", "64", 5)
			s.logged(kv.ChangePut, "n", "129", 6)
		}, nil},
		"an increment is there twice": {func(s *story) {
			s.wrote(single, 1, 0, 9, &write{kind: kv.KindIncrement, key: "n", by: 64, version: 5, number: 64})
			s.logged(kv.ChangePut, "n", "64", 5)
			s.logged(kv.ChangePut, "n", "128", 6)
		}, []fault{twice}},
		"an increment answers another number": {func(s *story) {
			s.wrote(single, 1, 0, 9, &write{kind: kv.KindIncrement, key: "n", by: 64, version: 5, number: 65})
			s.logged(kv.ChangePut, "n", "64", 5)
		}, []fault{arithmetic}},
		"a transaction is whole": {func(s *story) {
			s.wrote(txn, 1, 0, 9, put("k", "a", 5), put("l", "b", 5))
			s.puts("k", "a", 5)
			s.puts("l", "b", 5)
		}, nil},
		"an unanswered transaction is half there": {func(s *story) {
			s.wrote(txn, 1, 0, 9, put("k", "a", 0), put("l", "b", 0))
			s.puts("l", "b", 5)
		}, []fault{torn}},
		"a transaction is not adjacent": {func(s *story) {
			s.wrote(txn, 1, 0, 9, put("k", "a", 5), put("l", "b", 7))
			s.wrote(single, 2, 0, 9, put("m", "c", 6))
			s.puts("k", "a", 5)
			s.puts("m", "c", 6)
			s.puts("l", "b", 7)
		}, []fault{torn}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s story
			c.tell(&s)
			if got := s.faults(); fmt.Sprint(slices.Sorted(slices.Values(got))) != fmt.Sprint(slices.Sorted(slices.Values(c.want))) {
				t.Errorf("found %v; want %v", got, c.want)
			}
		})
	}
}

// What was unanswered and absent once may not come up in a later round.
func TestLedgerFindsWhatComesUpLate(t *testing.T) {
	t.Parallel()
	var s story
	s.wrote(single, 1, 0, 1, put("k", "a", 0))
	l := newLedger()
	l.expect(s.requests)
	l.settle(func(*request) bool { return false })
	s.puts("k", "a", 5)
	l.read(s.changes)
	if len(l.found) != 1 || l.found[0].fault != ghost {
		t.Errorf("found %v", l.found)
	}
}
