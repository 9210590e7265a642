package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var cancelTests = []test{
	{"a call whose context has ended answers so", func(s *space) {
		s.put("k", "1")
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		for name, call := range map[string]func() error{
			"strong get": func() error {
				_, err := s.Store.Get(ctx, s.ns, "k", kv.ReadOptions{Consistency: kv.Strong})
				return err
			},
			"list":  func() error { _, err := s.Store.List(ctx, s.ns, kv.ListQuery{Limit: 1}); return err },
			"apply": func() error { _, err := s.Store.Apply(ctx, s.ns, putOp("k", "2"), kv.Identity{}); return err },
			"batch": func() error {
				_, err := s.Store.Batch(ctx, s.ns, []kv.Operation{putOp("k", "2")}, kv.Identity{})
				return err
			},
			"txn": func() error {
				_, err := s.Store.Txn(ctx, s.ns, kv.Txn{Success: []kv.Operation{putOp("k", "2")}}, kv.Identity{})
				return err
			},
			"version": func() error { _, err := s.Store.Version(ctx, s.ns, "k", 1); return err },
			"history": func() error { _, err := s.Store.History(ctx, s.ns, "k", kv.HistoryQuery{Limit: 1}); return err },
			"changes": func() error { _, err := s.Store.Changes(ctx, s.ns, kv.ChangeQuery{Limit: 1}); return err },
			"await":   func() error { return s.Store.Await(ctx, s.ns, s.head()) },
			"claim":   func() error { _, err := s.Store.Claim(ctx, s.ns, deferred("write", "request")); return err },
		} {
			s.cancelled(name, call())
		}
		s.equal("value", string(s.get("k").Value), "1")
	}},

	{"a deadline that has passed is a timeout", func(s *space) {
		ctx, cancel := context.WithTimeout(s.Context(), -time.Second)
		defer cancel()
		_, err := s.Store.Apply(ctx, s.ns, putOp("k", "2"), kv.Identity{})
		s.wantCode(err, kv.CodeTimeout, "a put")
	}},

	{"a caller that gives up harms no other", func(s *space) {
		s.put("shared", "1")
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(w), 1))
				for range attempts {
					ctx, cancel := context.WithCancel(s.Context())
					done := make(chan struct{})
					go func() {
						defer close(done)
						_, _ = s.Store.Apply(ctx, s.ns, putOp(fmt.Sprintf("abandoned %d", w), "1"), kv.Identity{})
						_, _ = s.Store.Get(ctx, s.ns, "shared", kv.ReadOptions{})
					}()
					for range random.IntN(2000) {
						_ = random.Uint64()
					}
					cancel()
					<-done
				}
			})
		}
		s.contend(func(who int) error {
			key := fmt.Sprintf("kept %d", who)
			res, err := s.apply(incrementOp(key, 1))
			if err != nil {
				return err
			}
			if _, err = s.apply(putOp("shared", fmt.Sprint(who))); err != nil {
				return err
			}
			e, err := s.Store.Get(s.Context(), s.ns, key, kv.ReadOptions{})
			if err == nil && e.Version != res.Version {
				err = fmt.Errorf("read version %d, written %d", e.Version, res.Version)
			}
			return err
		})
		wg.Wait()
		for who := range contenders {
			s.equal("number", string(s.get(fmt.Sprintf("kept %d", who)).Value), strconv.Itoa(attempts))
		}
	}},

	{"a write that was given up and is repeated under its id is made once", func(s *space) {
		s.contend(func(who int) error {
			id := kv.Identity{ID: kv.NewWriteID(time.Now())}
			for try := 0; ; try++ {
				ctx, cancel := context.WithCancel(s.Context())
				if try < 3 {
					go cancel()
				}
				_, err := s.Store.Apply(ctx, s.ns, incrementOp("n", 1), id)
				cancel()
				switch kv.CodeOf(err) {
				case "":
					return nil
				case kv.CodeUnavailable, kv.CodeTimeout, kv.CodeIdempotencyInProgress:
				default:
					return fmt.Errorf("contender %d: %w", who, err)
				}
			}
		})
		s.equal("n", string(s.get("n").Value), strconv.Itoa(contenders*attempts))
	}},
}

// cancelled holds that an error tells of a caller that gave up.
func (s *space) cancelled(what string, err error) {
	s.Helper()
	if code := kv.CodeOf(err); code != kv.CodeUnavailable && code != kv.CodeTimeout {
		s.Fatalf("%s answered %v", what, err)
	}
}
