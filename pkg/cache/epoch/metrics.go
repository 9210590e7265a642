package epoch

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	raises, failures prometheus.Counter
}

func newMetrics(r prometheus.Registerer, k *Keeper) (*metrics, error) {
	m := &metrics{
		raises: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_epoch_raises_total", Help: "Epochs that this process raised because the shared cache may have lost something.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_epoch_failures_total", Help: "Calls of the database for the cache epoch that failed.",
		}),
	}
	if r == nil {
		return m, nil
	}
	gauges := []struct {
		name, help string
		value      func() float64
	}{
		{"trivet_cache_epoch", "Cache epoch that this process knows, 0 for none.", func() float64 {
			number, _, _ := k.Writable()
			return float64(number)
		}},
		{"trivet_cache_readable", "1 while the shared cache may answer reads, else 0: reads then go to the database.", func() float64 {
			if _, _, ok := k.Readable(); ok && k.reachesNow() {
				return 1
			}
			return 0
		}},
		{"trivet_cache_cut_off", "1 while this process does not reach the shared cache and others do, else 0.", func() float64 {
			if k.CutOff() {
				return 1
			}
			return 0
		}},
	}
	collectors := []prometheus.Collector{m.raises, m.failures}
	for _, g := range gauges {
		collectors = append(collectors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, g.value))
	}
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the epoch's metrics: %w", err)
		}
	}
	return m, nil
}
