package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// SeedVariable is the environment variable that repeats a random sequence.
const SeedVariable = "STORETEST_SEED"

var modelTests = []test{
	{"random sequences answer as a simple model does", func(s *space) {
		seed := rand.Uint64()
		if text := os.Getenv(SeedVariable); text != "" {
			var err error
			if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
				s.Fatalf("%s: %v", SeedVariable, err)
			}
		}
		s.Logf("repeat with %s=%d", SeedVariable, seed)
		m := &model{
			space: s, random: rand.New(rand.NewPCG(seed, seed)),
			keys: map[string]*modelKey{}, versions: map[string][]modelVersion{},
		}
		for m.step = range 400 {
			m.act()
			if m.step%20 == 0 {
				m.compare()
			}
		}
		m.compare()
	}},
}

// model is the state that a namespace should have. Versions are the store's
// choice; the model holds that they rise.
type model struct {
	*space
	random   *rand.Rand
	step     int
	now      time.Duration // by which the clock was advanced
	keys     map[string]*modelKey
	versions map[string][]modelVersion // of each key, the oldest first
}

type modelKey struct {
	version kv.Version
	value   string
	kind    string        // content type
	expires time.Duration // of the model's now; 0: never
}

type modelVersion struct {
	version kv.Version
	key     *modelKey // nil for a deletion
}

func (m *model) key() string {
	return []string{"a", "a/1", "a/2", "a/b/3", "b", "b/\x00", "b/\xff", "n"}[m.random.IntN(8)]
}

// live gives a key's state, nil when it is absent or has expired.
func (m *model) live(key string) *modelKey {
	if k := m.keys[key]; k != nil && (k.expires == 0 || m.now < k.expires) {
		return k
	}
	return nil
}

func (m *model) current(key string) kv.Version {
	if k := m.live(key); k != nil {
		return k.version
	}
	return 0
}

// act makes one random step on the store and on the model.
func (m *model) act() {
	m.Helper()
	switch n := m.random.IntN(100); {
	case n < 60:
		m.single(m.operation(true))
	case n < 72:
		m.batched()
	case n < 84:
		m.transaction()
	case n < 90:
		if m.Clock != nil {
			d := time.Duration(m.random.IntN(30_000)) * time.Millisecond
			m.Clock.Advance(d)
			m.now += d
		}
	case n < 94:
		if m.Maintainer != nil {
			m.sweepAll()
		}
	case n < 96:
		if m.Maintainer != nil {
			m.maintain("compact", m.Maintainer.Compact) // all is within retention
		}
	case n < 98:
		if m.Clock != nil {
			m.Clock.Advance(time.Second)
			m.now += time.Second
		}
	default:
		if m.Reopen != nil {
			m.Harness = m.Reopen(m.T)
		}
	}
}

func (m *model) operation(conditions bool) kv.Operation {
	op := kv.Operation{Key: m.key()}
	switch n := m.random.IntN(10); {
	case n < 5:
		op.Kind = kv.KindPut
		op.Value = []byte(strconv.Itoa(m.random.IntN(100)))
		if m.random.IntN(5) == 0 {
			op.Value = []byte(strings.Repeat("x", m.random.IntN(5000)))
		}
		if m.random.IntN(2) == 0 {
			op.ContentType = "text/plain"
		}
		if m.Clock != nil && m.random.IntN(3) == 0 {
			op.TTL = time.Duration(1+m.random.IntN(60_000)) * time.Millisecond
		}
	case n < 7:
		op.Kind = kv.KindDelete
	case n < 9:
		op.Kind = kv.KindIncrement
		op.By = int64(m.random.IntN(20) - 10)
	default:
		op.Kind = kv.KindGet
		if conditions {
			op.Kind = kv.KindRestore
			op.Restore = 1
			if versions := m.versions[op.Key]; len(versions) > 0 {
				op.Restore = versions[m.random.IntN(len(versions))].version
			}
		}
	}
	if conditions {
		switch m.random.IntN(8) {
		case 0:
			op.If = ifAbsent
		case 1:
			op.If = ifExists
		case 2:
			op.If = ifVersion(m.current(op.Key))
		case 3:
			op.If = ifVersion(1)
		}
	}
	return op
}

// predict gives what an operation does to its key: the error's code, or the
// state after it, nil for a deletion.
func (m *model) predict(op kv.Operation) (code kv.Code, after *modelKey, number int64) {
	live := m.live(op.Key)
	if err := op.If.Check(m.current(op.Key)); err != nil {
		return kv.CodeOf(err), nil, 0
	}
	switch op.Kind {
	case kv.KindPut:
		after = &modelKey{value: string(op.Value), kind: op.ContentType}
		if op.TTL > 0 {
			after.expires = m.now + op.TTL
		}
		return "", after, 0
	case kv.KindIncrement:
		after = &modelKey{value: "0"}
		if live != nil {
			copied := *live
			after = &copied
		}
		n, err := strconv.ParseInt(after.value, 10, 64)
		if err != nil {
			return kv.CodeConflict, nil, 0
		}
		after.value = strconv.FormatInt(n+op.By, 10)
		return "", after, n + op.By
	case kv.KindRestore:
		for _, v := range m.versions[op.Key] {
			if v.version == op.Restore && v.key != nil {
				return "", &modelKey{value: v.key.value, kind: v.key.kind}, 0
			}
		}
		return kv.CodeNotFound, nil, 0
	default: // get, delete
		if live == nil {
			return kv.CodeNotFound, nil, 0
		}
		return "", nil, 0
	}
}

// judge holds a result against the prediction and takes it over.
func (m *model) judge(op kv.Operation, res kv.Result, code kv.Code) {
	m.Helper()
	wantCode, after, number := m.predict(op)
	if code != wantCode {
		m.Fatalf("step %d: %s %q if %+v answered %q, want %q", m.step, op.Kind, op.Key, op.If, code, wantCode)
	}
	if code != "" {
		return
	}
	live := m.live(op.Key)
	if op.Kind == kv.KindGet {
		if res.Entry == nil || res.Version != live.version || string(res.Entry.Value) != live.value {
			m.Fatalf("step %d: get %q answered %+v, want %+v", m.step, op.Key, res, live)
		}
		return
	}
	last := kv.Version(0)
	if versions := m.versions[op.Key]; len(versions) > 0 {
		last = versions[len(versions)-1].version
	}
	if res.Version <= last || res.Created != (after != nil && live == nil) || res.Number != number {
		m.Fatalf("step %d: %s %q answered %+v; last version %d, live %v, number %d", m.step, op.Kind, op.Key, res, last, live != nil, number)
	}
	if after == nil {
		delete(m.keys, op.Key)
	} else {
		if live == nil || op.Kind != kv.KindIncrement {
			after.kind = res.Entry.ContentType // an increment that creates chooses its own
		}
		if op.Kind == kv.KindPut && after.kind != op.ContentType {
			m.Fatalf("step %d: put %q with type %q answered %q", m.step, op.Key, op.ContentType, after.kind)
		}
		after.version = res.Version
		m.keys[op.Key] = after
	}
	m.versions[op.Key] = append(m.versions[op.Key], modelVersion{res.Version, after})
}

func (m *model) single(op kv.Operation) {
	m.Helper()
	res, err := m.apply(op)
	m.judge(op, res, kv.CodeOf(err))
}

func (m *model) batched() {
	m.Helper()
	ops := make([]kv.Operation, 1+m.random.IntN(8))
	for i := range ops {
		ops[i] = m.operation(m.random.IntN(2) == 0)
		if ops[i].Kind == kv.KindRestore {
			ops[i] = getOp(ops[i].Key)
		}
	}
	for i, res := range m.batch(ops...) {
		m.judge(ops[i], res, codeOf(res.Err))
	}
}

func (m *model) transaction() {
	m.Helper()
	compared := m.key()
	compare := kv.Compare{Key: compared, Target: kv.TargetExists, Is: kv.RelationEqual, Exists: m.random.IntN(2) == 0}
	branches := [2][]kv.Operation{}
	for b := range branches {
		written := map[string]bool{}
		for range 1 + m.random.IntN(5) {
			op := m.operation(false)
			if op.Kind.Writes() && written[op.Key] {
				op = getOp(op.Key)
			}
			written[op.Key] = written[op.Key] || op.Kind.Writes()
			branches[b] = append(branches[b], op)
		}
	}
	txn := kv.Txn{Compare: []kv.Compare{compare}, Success: branches[0], Failure: branches[1]}
	if err := txn.Check(); err != nil {
		m.Fatalf("step %d: %v", m.step, err)
	}
	holds := (m.live(compared) != nil) == compare.Exists
	ran, name := branches[0], "success"
	if !holds {
		ran, name = branches[1], "failure"
	}
	res, err := m.Store.Txn(m.Context(), m.ns, txn, kv.Identity{})
	if err == nil && (res.Succeeded != holds || len(res.Results) != len(ran)) {
		m.Fatalf("step %d: transaction answered %+v", m.step, res)
	}

	// The operations are judged one after another; a failure takes all back.
	keys, versions := maps.Clone(m.keys), map[string][]modelVersion{}
	for key, v := range m.versions {
		versions[key] = slices.Clone(v)
	}
	for i, op := range ran {
		code, _, _ := m.predict(op)
		if code != "" && op.Kind != kv.KindGet {
			if field := fmt.Sprintf("%s[%d]", name, i); kv.CodeOf(err) != code || !strings.HasPrefix(kv.AsError(err).Field, field) {
				m.Fatalf("step %d: transaction answered %v, want %q for %s", m.step, err, code, field)
			}
			m.keys, m.versions = keys, versions
			return
		}
		if err != nil {
			// Another operation fails; its place is checked when it is met.
			m.assume(op)
			continue
		}
		m.judge(op, res.Results[i], codeOf(res.Results[i].Err))
	}
	if err != nil {
		m.Fatalf("step %d: transaction answered %v", m.step, err)
	}
}

// assume takes an operation as made, of a transaction that is going to fail.
func (m *model) assume(op kv.Operation) {
	code, after, _ := m.predict(op)
	switch {
	case code != "" || op.Kind == kv.KindGet:
	case after == nil:
		delete(m.keys, op.Key)
	default:
		after.version = 1 << 60
		m.keys[op.Key] = after
	}
}

// compare holds the whole namespace against the model.
func (m *model) compare() {
	m.Helper()
	var want []string
	bytes := int64(0)
	for key := range m.keys {
		k := m.live(key)
		if k == nil {
			m.absent(key)
			continue
		}
		want = append(want, key)
		bytes += int64(len(key) + len(k.value))
		e := m.get(key)
		if e.Version != k.version || string(e.Value) != k.value || e.ContentType != k.kind || e.ExpiresAt.IsZero() != (k.expires == 0) {
			m.Fatalf("step %d: read %s, want %+v", m.step, brief(e), *k)
		}
		if k.expires != 0 && (e.TTLLeft-(k.expires-m.now)).Abs() >= time.Millisecond {
			m.Fatalf("step %d: %q has %s left, want %s", m.step, key, e.TTLLeft, k.expires-m.now)
		}
	}
	slices.Sort(want)
	limit := 1 + m.random.IntN(4)
	for _, q := range []kv.ListQuery{{Limit: limit}, {Prefix: "a/", Limit: limit, Values: true}, {Delimiter: "/", Limit: limit}, {Prefix: "b/", Delimiter: "\x00", Limit: limit}} {
		keys, prefixes := m.walk(q, nil)
		wantKeys, wantPrefixes := fold(want, q)
		m.equal(fmt.Sprintf("step %d: keys of %+v", m.step, q), keys, wantKeys)
		m.equal(fmt.Sprintf("step %d: prefixes of %+v", m.step, q), prefixes, wantPrefixes)
	}
	for key, versions := range m.versions {
		m.compareHistory(key, versions)
	}
	if m.Maintainer != nil {
		m.sweepAll()
		if n := m.namespace(); n.Keys != int64(len(want)) || n.Bytes != bytes {
			m.Fatalf("step %d: usage of %d keys and %d bytes, want %d and %d", m.step, n.Keys, n.Bytes, len(want), bytes)
		}
	}
	m.compareChanges()
}

// compareHistory holds a key's history against the model, which knows of no
// expiries.
func (m *model) compareHistory(key string, versions []modelVersion) {
	m.Helper()
	history := slices.DeleteFunc(m.history(key, 1+m.random.IntN(10)), func(h kv.HistoryEntry) bool { return h.Op == kv.ChangeExpire })
	slices.Reverse(history)
	if len(history) != len(versions) {
		m.Fatalf("step %d: %q has %d versions, want %d", m.step, key, len(history), len(versions))
	}
	for i, v := range versions {
		h := history[i]
		if h.Version != v.version || (h.Op == kv.ChangeDelete) != (v.key == nil) {
			m.Fatalf("step %d: %q: version %+v, want %+v", m.step, key, h, v)
		}
	}
	v := versions[m.random.IntN(len(versions))]
	e, err := m.Store.Version(m.Context(), m.ns, key, v.version)
	if v.key == nil {
		m.wantCode(err, kv.CodeNotFound, "step %d: version %d of %q", m.step, v.version, key)
	} else if err != nil || string(e.Value) != v.key.value {
		m.Fatalf("step %d: version %d of %q: %s, %v", m.step, v.version, key, brief(e), err)
	}
}

// compareChanges holds that the change log and the versions tell the same.
func (m *model) compareChanges() {
	m.Helper()
	seen := map[string][]kv.Version{}
	last := kv.Position(0)
	for _, c := range m.follow(kv.ChangeQuery{Limit: 1 + m.random.IntN(50), Values: true}) {
		if c.Position <= last {
			m.Fatalf("step %d: position %d after %d", m.step, c.Position, last)
		}
		last = c.Position
		if c.Kind != kv.ChangeExpire {
			seen[c.Key] = append(seen[c.Key], c.Version)
		}
	}
	for key, versions := range m.versions {
		want := make([]kv.Version, len(versions))
		for i, v := range versions {
			want[i] = v.version
		}
		m.equal(fmt.Sprintf("step %d: changes of %q", m.step, key), seen[key], want)
	}
}

// fold is what a list should show of sorted keys.
func fold(sorted []string, q kv.ListQuery) (keys, prefixes []string) {
	keys, prefixes = []string{}, []string{}
	for _, key := range sorted {
		if !strings.HasPrefix(key, q.Prefix) {
			continue
		}
		rest := key[len(q.Prefix):]
		if i := strings.Index(rest, q.Delimiter); q.Delimiter != "" && i >= 0 {
			p := q.Prefix + rest[:i+len(q.Delimiter)]
			if len(prefixes) == 0 || prefixes[len(prefixes)-1] != p {
				prefixes = append(prefixes, p)
			}
			continue
		}
		keys = append(keys, key)
	}
	return keys, prefixes
}
