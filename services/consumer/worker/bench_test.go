package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/deferred"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/services/consumer/worker"
)

// BenchmarkApply measures how fast queued writes are applied, from the broker
// on disk to the store on disk.
func BenchmarkApply(b *testing.B) {
	for _, keys := range []int{1, 100, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			store, err := pebble.Open(b.TempDir(), pebble.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			c, err := memory.New(memory.Options{})
			if err != nil {
				b.Fatal(err)
			}
			queue, err := jetstream.Open(b.TempDir(), jetstream.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = queue.Close() }()
			messages := make([]broker.Message, b.N)
			for i := range messages {
				key := fmt.Sprint("key", i%keys)
				w := deferred.Write{
					Namespace: ns, AcceptedAt: time.Now(),
					Operation: kv.Operation{Kind: kv.KindPut, Key: key, Value: make([]byte, 100)},
					Identity:  kv.Identity{ID: kv.NewWriteID(time.Now()), Deferred: true},
				}
				messages[i] = broker.Message{ID: w.Identity.ID.String(), Key: ns + "\x00" + key, Body: w.Encode()}
			}
			if err := queue.Publish(b.Context(), messages...); err != nil {
				b.Fatal(err)
			}
			wk, err := worker.New(worker.Options{Store: cached.New(store, c, cached.Options{}), Broker: queue})
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			if err := wk.Start(b.Context()); err != nil {
				b.Fatal(err)
			}
			for {
				st, err := queue.Stats(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if st.Ready == 0 && st.Unsettled == 0 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			if err := wk.Stop(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
