//go:build unix

package main

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Every write is one of these, and every key has writes of one kind only.
const (
	putKeys     = "put/"     // acknowledged once committed
	asyncKeys   = "async/"   // accepted, and applied later
	counterKeys = "counter/" // increments of several writers
	probeKeys   = "probe/"   // nothing is promised
)

// ledger knows what the installation has promised, and holds against it what
// it answers. A key's puts are numbered from 1 on, each made by one writer
// after the one before was answered.
type ledger struct {
	mu         sync.Mutex
	keys       map[string]*keyState
	violations []string
}

// keyState is what was promised of a key.
type keyState struct {
	begun   int         // the number of the last put that was sent
	acked   []time.Time // of each put: when its answer came
	sum     int64       // of a counter: what all increments that were answered add
	counted int         // increments that were answered
}

func newLedger() *ledger { return &ledger{keys: make(map[string]*keyState)} }

// maxViolations keeps a run that goes wrong from telling it a million times.
const maxViolations = 20

func (l *ledger) violate(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.violations) < maxViolations {
		l.violations = append(l.violations, fmt.Sprintf(format, args...))
	}
}

func (l *ledger) broken() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.violations)
}

// key is called with the lock held.
func (l *ledger) key(key string) *keyState {
	k, ok := l.keys[key]
	if !ok {
		k = &keyState{}
		l.keys[key] = k
	}
	return k
}

// begin gives the number of a key's next put.
func (l *ledger) begin(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.key(key)
	k.begun++
	return k.begun
}

// ack notes the answer of the put that was begun last.
func (l *ledger) ack(key string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.key(key)
	k.acked = append(k.acked, at)
}

func (l *ledger) count(key string, by int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.key(key)
	k.sum += by
	k.counted++
}

// floor gives the number of the last put of a key that was acknowledged by a
// time.
func (l *ledger) floor(key string, at time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	acked := l.key(key).acked
	return sort.Search(len(acked), func(i int) bool { return acked[i].After(at) })
}

// staleness tells how much older than the last acknowledged put an answer was
// when its read began.
func (l *ledger) staleness(key string, number int, began time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	acked := l.key(key).acked
	if number >= len(acked) {
		return 0
	}
	return max(began.Sub(acked[number]), 0)
}

func (l *ledger) begun(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.key(key).begun
}

// value makes a value that says which put of its key it is of.
func value(number int) []byte { return fmt.Appendf(nil, "%d|%064d", number, number) }

// numberOf reads it back; 0 for an absent key.
func numberOf(value []byte) (int, error) {
	if value == nil {
		return 0, nil
	}
	digits, _, ok := bytes.Cut(value, []byte("|"))
	if !ok {
		return 0, fmt.Errorf("the value %.20q is none that was written", value)
	}
	return strconv.Atoi(string(digits))
}

// total is how many changes the promises make.
func (l *ledger) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, k := range l.keys {
		n += len(k.acked) + k.counted
	}
	return n
}

// check holds what is stored in the end against what was promised.
func (l *ledger) check(entries map[string]kv.Entry) {
	l.mu.Lock()
	keys := make(map[string]keyState, len(l.keys))
	for key, k := range l.keys {
		keys[key] = *k
	}
	l.mu.Unlock()
	for key, k := range keys {
		entry, ok := entries[key]
		delete(entries, key)
		switch {
		case k.counted > 0:
			if n, err := strconv.ParseInt(string(entry.Value), 10, 64); err != nil || n != k.sum {
				l.violate("%s is %q, and its %d increments make %d", key, entry.Value, k.counted, k.sum)
			}
		case !ok && len(k.acked) > 0:
			l.violate("%s is lost; %d puts were acknowledged", key, len(k.acked))
		case ok:
			if n, err := numberOf(entry.Value); err != nil || n != k.begun {
				l.violate("%s ends with put %d (%v), and the last one was %d", key, n, err, k.begun)
			}
		}
	}
	for key := range entries {
		if strings.HasPrefix(key, probeKeys) {
			continue
		}
		l.violate("%s was never written", key)
	}
}
