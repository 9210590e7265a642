package storetest

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/trivetkv/trivet/pkg/kv"
)

const (
	contenders = 8
	attempts   = 25 // of each contender
)

var concurrencyTests = []test{
	{"a compare-and-set counter reaches exactly what was added", func(s *space) {
		s.put("n", "0")
		s.contend(func(int) error {
			for {
				e, err := s.Store.Get(s.Context(), s.ns, "n", kv.ReadOptions{})
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(string(e.Value))
				if err != nil {
					return err
				}
				_, err = s.apply(putOp("n", strconv.Itoa(n+1), onlyIf(ifVersion(e.Version))))
				if kv.CodeOf(err) != kv.CodeVersionMismatch {
					return err
				}
			}
		})
		s.equal("n", string(s.get("n").Value), strconv.Itoa(contenders*attempts))
	}},

	{"increments add up, and each answers a number of its own", func(s *space) {
		var mu sync.Mutex
		seen := map[int64]kv.Version{}
		s.contend(func(int) error {
			res, err := s.apply(incrementOp("n", 1))
			mu.Lock()
			defer mu.Unlock()
			if v, twice := seen[res.Number]; err == nil && twice {
				return fmt.Errorf("%d was answered at versions %d and %d", res.Number, v, res.Version)
			}
			seen[res.Number] = res.Version
			return err
		})
		s.equal("n", string(s.get("n").Value), strconv.Itoa(contenders*attempts))
		for n := int64(2); n <= contenders*attempts; n++ {
			if seen[n] <= seen[n-1] {
				s.Fatalf("%d has version %d, %d has %d", n-1, seen[n-1], n, seen[n])
			}
		}
	}},

	{"one of many creates", func(s *space) {
		winners := make([]atomic.Int64, attempts)
		rounds := make([]atomic.Int64, contenders)
		s.contend(func(who int) error {
			round := rounds[who].Add(1) - 1
			res, err := s.apply(putOp(fmt.Sprintf("k%d", round), strconv.Itoa(who), onlyIf(ifAbsent)))
			switch kv.CodeOf(err) {
			case "":
				if !res.Created {
					return fmt.Errorf("the winner answered %+v", res)
				}
				winners[round].Add(1)
				return nil
			case kv.CodeAlreadyExists:
				return nil
			default:
				return err
			}
		})
		for round := range winners {
			if n := winners[round].Load(); n != 1 {
				s.Fatalf("%d of %d created the key of round %d", n, contenders, round)
			}
		}
	}},

	{"one of many deletes", func(s *space) {
		var deleted atomic.Int64
		s.put("k", "1")
		s.contend(func(int) error {
			_, err := s.apply(deleteOp("k"))
			if err == nil {
				deleted.Add(1)
			} else if kv.CodeOf(err) != kv.CodeNotFound {
				return err
			}
			return nil
		})
		s.equal("deletes", deleted.Load(), int64(1))
	}},

	{"concurrent puts of one key have each their version and change", func(s *space) {
		var mu sync.Mutex
		var puts atomic.Int64
		versions := map[kv.Version]string{}
		s.contend(func(int) error {
			value := fmt.Sprint(puts.Add(1))
			res, err := s.apply(putOp("k", value))
			mu.Lock()
			defer mu.Unlock()
			if _, twice := versions[res.Version]; twice && err == nil {
				return fmt.Errorf("version %d was answered twice", res.Version)
			}
			versions[res.Version] = value
			return err
		})
		changes := s.changes(0)
		s.equal("changes", len(changes), contenders*attempts)
		last := kv.Version(0)
		for _, c := range changes {
			if want, ok := versions[c.Version]; !ok || want != string(c.Value) || c.Version <= last {
				s.Fatalf("change %+v, written %q, after version %d", c, want, last)
			}
			last = c.Version
		}
		if e := s.get("k"); e.Version != last || string(e.Value) != versions[last] {
			s.Fatalf("read %s, last written at %d", brief(e), last)
		}
	}},

	{"a read sees what was acknowledged before it", func(s *space) {
		var acknowledged atomic.Int64
		s.contend(func(who int) error {
			if who == 0 {
				res, err := s.apply(putOp("k", "1"))
				acknowledged.Store(int64(res.Version))
				return err
			}
			at := kv.Version(acknowledged.Load())
			e, err := s.Store.Get(s.Context(), s.ns, "k", kv.ReadOptions{Consistency: kv.Consistency(who % 3)})
			if err != nil && at == 0 {
				return nil
			}
			if err == nil && e.Version < at {
				return fmt.Errorf("read version %d, acknowledged %d", e.Version, at)
			}
			return err
		})
	}},

	{"usage is exact after concurrent writes", func(s *space) {
		var rounds atomic.Int64
		s.contend(func(int) error {
			i := rounds.Add(1)
			key := fmt.Sprintf("k%02d", i%10)
			var err error
			if i%3 == 0 {
				_, err = s.apply(deleteOp(key))
			} else {
				_, err = s.apply(putOp(key, fmt.Sprint(i)))
			}
			if kv.CodeOf(err) == kv.CodeNotFound {
				return nil
			}
			return err
		})
		keys, bytes := int64(0), int64(0)
		for _, e := range s.list(kv.ListQuery{Limit: 100}).Entries {
			keys++
			bytes += int64(len(e.Key)) + e.Size
		}
		if n := s.namespace(); n.Keys != keys || n.Bytes != bytes {
			s.Fatalf("usage of %d keys and %d bytes, listed %d and %d", n.Keys, n.Bytes, keys, bytes)
		}
	}},

	{"histories are linearizable", exerciseLinearizability},
}

// contend lets contenders attempt something at the same time.
func (s *space) contend(attempt func(who int) error) {
	s.Helper()
	var wg sync.WaitGroup
	for who := range contenders {
		wg.Go(func() {
			for range attempts {
				if err := attempt(who); err != nil {
					s.Errorf("contender %d: %v", who, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if s.Failed() {
		s.FailNow()
	}
}
