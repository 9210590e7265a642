package amqp_test

import (
	"testing"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// BenchmarkPublish publishes messages of 100 bytes: each alone, waiting for its
// confirm, and as many callers do, within the window.
func BenchmarkPublish(b *testing.B) {
	body := make([]byte, 100)
	for _, c := range []struct {
		name    string
		callers int
	}{{"OneByOne", 1}, {"Pipelined", 1000}} {
		b.Run(c.name, func(b *testing.B) {
			o := options(b, testserver.SharedRabbitMQ(b))
			o.Partitions = 16
			queue := open(b, o)
			b.SetParallelism(c.callers)
			b.ReportAllocs()
			b.ResetTimer()
			if c.callers == 1 {
				for b.Loop() {
					if err := queue.Publish(b.Context(), broker.Message{ID: "id", Key: "key", Body: body}); err != nil {
						b.Fatal(err)
					}
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := queue.Publish(b.Context(), broker.Message{ID: "id", Key: "key", Body: body}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
