package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/kv"
)

// instrumentedBroker counts what is published and handled.
type instrumentedBroker struct {
	broker.Broker

	published      *prometheus.CounterVec
	publishSeconds prometheus.Histogram
	handled        *prometheus.CounterVec
	handleSeconds  prometheus.Histogram
	redelivered    prometheus.Counter
}

// InstrumentBroker puts metrics in front of a broker. How much waits in its
// queue is asked for when the metrics are gathered.
func InstrumentBroker(b broker.Broker, registerer prometheus.Registerer) broker.Broker {
	factory := promauto.With(registerer)
	if registerer != nil {
		registerer.MustRegister(newQueueCollector(b))
	}
	return &instrumentedBroker{
		Broker: b,
		published: factory.NewCounterVec(prometheus.CounterOpts{
			Name: MetricBrokerPublished, Help: "Messages that were published, by the code of the outcome.",
		}, []string{"code"}),
		publishSeconds: factory.NewHistogram(prometheus.HistogramOpts{
			Name: MetricBrokerPublishSeconds, Help: "Seconds until a publish was confirmed or failed.", Buckets: Buckets(),
		}),
		handled: factory.NewCounterVec(prometheus.CounterOpts{
			Name: MetricBrokerHandled, Help: "Deliveries that were handled, by verdict.",
		}, []string{"verdict"}),
		handleSeconds: factory.NewHistogram(prometheus.HistogramOpts{
			Name: MetricBrokerHandleSeconds, Help: "Seconds that handling one batch of deliveries took.", Buckets: Buckets(),
		}),
		redelivered: factory.NewCounter(prometheus.CounterOpts{
			Name: MetricBrokerRedelivered, Help: "Deliveries that were not the first of their message.",
		}),
	}
}

func (b *instrumentedBroker) Publish(ctx context.Context, messages ...broker.Message) error {
	start := time.Now()
	err := b.Broker.Publish(ctx, messages...)
	b.publishSeconds.Observe(time.Since(start).Seconds())
	code := codeOK
	if err != nil {
		code = string(kv.CodeOf(err))
	}
	b.published.WithLabelValues(code).Add(float64(len(messages)))
	return err
}

func (b *instrumentedBroker) Subscribe(h broker.Handler) (broker.Subscription, error) {
	return b.Broker.Subscribe(func(ctx context.Context, batch []broker.Delivery) []broker.Verdict {
		start := time.Now()
		verdicts := h(ctx, batch)
		b.handleSeconds.Observe(time.Since(start).Seconds())
		for i, d := range batch {
			if d.Attempt > 1 {
				b.redelivered.Inc()
			}
			verdict := broker.Retry()
			if i < len(verdicts) {
				verdict = verdicts[i]
			}
			b.handled.WithLabelValues(verdictText(verdict)).Inc()
		}
		return verdicts
	})
}

func verdictText(v broker.Verdict) string {
	if v.Acked() {
		return "ack"
	}
	if _, dead := v.Dead(); dead {
		return "dead_letter"
	}
	return "retry"
}

// statsTimeout keeps a broker that hangs from holding up a scrape.
const statsTimeout = time.Second

// queueCollector asks a broker how much waits, once per scrape.
type queueCollector struct {
	broker                             broker.Broker
	up, ready, unsettled, dead, oldest *prometheus.Desc
}

func newQueueCollector(b broker.Broker) *queueCollector {
	describe := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &queueCollector{
		broker:    b,
		up:        describe(MetricBrokerUp, "1 when the broker told its numbers at this scrape, else 0 and the numbers are missing."),
		ready:     describe(MetricBrokerReady, "Messages that wait for a first delivery."),
		unsettled: describe(MetricBrokerUnsettled, "Messages that were delivered and have no verdict."),
		dead:      describe(MetricBrokerDead, "Messages that were set aside."),
		oldest:    describe(MetricBrokerOldestSeconds, "Age in seconds of the oldest message without a verdict; 0 when there is none."),
	}
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.ready, c.unsettled, c.dead, c.oldest} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *queueCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	stats, err := c.broker.Stats(ctx)
	if err != nil {
		metrics <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, 0)
		return
	}
	for desc, value := range map[*prometheus.Desc]float64{
		c.up:        1,
		c.ready:     float64(stats.Ready),
		c.unsettled: float64(stats.Unsettled),
		c.dead:      float64(stats.Dead),
		c.oldest:    stats.OldestAge.Seconds(),
	} {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
}
