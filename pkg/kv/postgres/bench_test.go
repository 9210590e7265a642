//go:build unix

package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// BenchmarkPut measures durable puts of 100 bytes to keys that are there, at
// several numbers of writers, committed in batches and one by one.
func BenchmarkPut(b *testing.B) {
	for _, batching := range []bool{true, false} {
		for _, writers := range []int{1, 16, 50, 256} {
			name := "batched"
			if !batching {
				name = "single"
			}
			b.Run(fmt.Sprintf("%s/writers=%d", name, writers), func(b *testing.B) { benchmarkPut(b, writers, batching) })
		}
	}
}

const benchmarkKeys = 20_000

func benchmarkPut(b *testing.B, writers int, batching bool) {
	s := open(b, postgres.Options{URL: testserver.PostgresURL(b), MaxConns: 64, NoBatching: !batching})
	value := make([]byte, 100)
	ops := make([]kv.Operation, kv.MaxBatchOperations)
	for start := 0; start < benchmarkKeys; start += len(ops) {
		for i := range ops {
			ops[i] = kv.Operation{Kind: kv.KindPut, Key: fmt.Sprintf("key %07d", start+i), Value: value}
		}
		if _, err := s.Batch(b.Context(), "bench", ops, kv.Identity{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				op := kv.Operation{Kind: kv.KindPut, Key: fmt.Sprintf("key %07d", rand.IntN(benchmarkKeys)), Value: value}
				if _, err := s.Apply(b.Context(), "bench", op, kv.Identity{}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// BenchmarkGet measures strong reads of 100 bytes.
func BenchmarkGet(b *testing.B) {
	s := open(b, postgres.Options{URL: testserver.PostgresURL(b), MaxConns: 64})
	if _, err := s.Apply(b.Context(), "bench", kv.Operation{Kind: kv.KindPut, Key: "k", Value: make([]byte, 100)}, kv.Identity{}); err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(25)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(b.Context(), "bench", "k", kv.ReadOptions{Consistency: kv.Strong}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
}
