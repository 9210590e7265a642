package pebble_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

// BenchmarkPut writes 100-byte values to a disk, each acknowledged once it is
// synced, from a number of writers at once.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 50, 256} {
		b.Run(strconv.Itoa(writers), func(b *testing.B) {
			s := open(b, b.TempDir(), pebble.Options{})
			value := make([]byte, 100)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						op := kv.Operation{Kind: kv.KindPut, Key: fmt.Sprintf("key-%07d", i%1_000_000), Value: value}
						if _, err := s.Apply(context.Background(), "bench", op, kv.Identity{}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// fill writes keys with 100-byte values.
func fill(b testing.TB, s kv.Store, keys int) {
	b.Helper()
	value := make([]byte, 100)
	for first := 0; first < keys; first += kv.MaxBatchOperations {
		var ops []kv.Operation
		for i := first; i < min(keys, first+kv.MaxBatchOperations); i++ {
			ops = append(ops, kv.Operation{Kind: kv.KindPut, Key: fmt.Sprintf("key-%07d", i), Value: value})
		}
		if _, err := s.Batch(context.Background(), "bench", ops, kv.Identity{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir(), pebble.Options{})
	fill(b, s, 100_000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919) % 100_000
		if _, err := s.Get(context.Background(), "bench", fmt.Sprintf("key-%07d", i), kv.ReadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	s := open(b, b.TempDir(), pebble.Options{})
	fill(b, s, 100_000)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := 0
		for pb.Next() {
			i = (i + 7919) % 100_000
			if _, err := s.Get(context.Background(), "bench", fmt.Sprintf("key-%07d", i), kv.ReadOptions{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkList reads pages of 100 entries with their values.
func BenchmarkList(b *testing.B) {
	s := open(b, b.TempDir(), pebble.Options{})
	fill(b, s, 100_000)
	b.ReportAllocs()
	cursor := ""
	for b.Loop() {
		page, err := s.List(context.Background(), "bench", kv.ListQuery{Limit: 100, Cursor: cursor, Values: true})
		if err != nil {
			b.Fatal(err)
		}
		cursor = page.Cursor
	}
}
