// Package signal reads what the services tell about themselves and makes of it
// what the policy wants to know. Load is what was offered: every request that
// was answered, those that were refused included, and those that still wait.
package signal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/services/autoscaler/advise"
)

// Names of the api service's metrics that load is read from.
const (
	metricRequests = "trivet_http_requests_total"
	metricInFlight = "trivet_http_requests_in_flight"
	metricDuration = "trivet_http_request_duration_seconds"
	metricCPU      = "process_cpu_seconds_total"
	metricMemory   = "process_resident_memory_bytes"
)

// Pod is one to be asked.
type Pod struct {
	Name string
	URL  string  // of its metrics
	CPUs float64 // that it may use; 0: unknown
	// Requested is what it requests; zero: nothing.
	Requested advise.Usage
}

// sample is what one pod told at a time. Counters are since it started.
type sample struct {
	at                          time.Time
	requests, failed            float64
	inFlight, cpu, handled      float64
	memory                      float64
	hasCPU                      bool
	durations                   map[float64]float64 // cumulated count by upper bound
	queue                       bool                // it told of a queue
	ready, unsettled, oldestAge float64
}

// Source asks the pods themselves for their metrics. It remembers what each
// told before, and is not safe for concurrent use.
type Source struct {
	client  *http.Client
	clock   func() time.Time
	timeout time.Duration
	before  map[string]sample
}

// NewSource makes a source. A pod that does not answer within the time-out
// counts as one that told nothing.
func NewSource(client *http.Client, clock func() time.Time, timeout time.Duration) *Source {
	return &Source{client: client, clock: clock, timeout: timeout, before: make(map[string]sample)}
}

// Load is what pods told about the time since they were asked before.
type Load struct {
	Pods     int // that told their numbers, twice in a row
	Offered  float64
	Served   float64
	InFlight float64
	// Utilisation is the CPU used of what may be used, P99 the latency in
	// seconds that 99 % of the requests met; below 0 when unknown.
	Utilisation, P99 float64

	// Usage is what each of the pods used.
	Usage []advise.Usage

	// Handled is how many messages per second consumers settled. Queue tells
	// of the queue if any pod did.
	Handled float64
	Queue   *Queue
	// Failures are why pods told nothing, by pod.
	Failures map[string]error
}

// Queue is the state of the broker's queue.
type Queue struct{ Ready, Unsettled, OldestSeconds float64 }

// most pods are asked at a time.
const concurrency = 32

// maxBody is the most that is read of an answer.
const maxBody = 8 << 20

// Collect asks the pods, all at the same time, and compares with what they told
// before. A pod that is asked for the first time adds nothing yet.
func (s *Source) Collect(ctx context.Context, pods []Pod) Load {
	samples := make([]sample, len(pods))
	errs := make([]error, len(pods))
	var group sync.WaitGroup
	slots := make(chan struct{}, concurrency)
	for i, pod := range pods {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			samples[i], errs[i] = s.ask(ctx, pod.URL)
		})
	}
	group.Wait()

	known := make(map[string]sample, len(pods))
	readings := make([]reading, len(pods))
	for i, pod := range pods {
		readings[i] = reading{now: samples[i], err: errs[i]}
		if errs[i] == nil {
			readings[i].before, readings[i].paired = s.before[pod.Name]
			known[pod.Name] = samples[i]
		}
	}
	s.before = known
	return summarise(pods, readings)
}

// reading is what is known of one pod at two times, or why it is not.
type reading struct {
	before, now sample
	paired      bool // there is a before
	err         error
}

// summarise adds up what the pods told.
func summarise(pods []Pod, readings []reading) Load {
	load := Load{Utilisation: -1, P99: -1, Failures: make(map[string]error)}
	var sum total
	for i, pod := range pods {
		r := &readings[i]
		if r.err != nil {
			load.Failures[pod.Name] = r.err
			continue
		}
		load.observeQueue(&r.now)
		if r.paired && !r.now.restarted(&r.before) {
			sum.add(&r.before, &r.now, pod.CPUs)
			seconds := r.now.at.Sub(r.before.at).Seconds()
			load.Usage = append(load.Usage, advise.Usage{CPUs: (r.now.cpu - r.before.cpu) / seconds, Memory: r.now.memory})
		}
	}
	if load.Queue != nil {
		load.Queue.addUp(readings)
	}
	sum.fill(&load)
	return load
}

func (s *Source) ask(ctx context.Context, url string) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return sample{}, fmt.Errorf("ask for metrics: %w", err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return sample{}, fmt.Errorf("ask for metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return sample{}, fmt.Errorf("ask for metrics: answered %s", response.Status)
	}
	return parse(io.LimitReader(response.Body, maxBody), s.clock())
}

// parse reads the text format of Prometheus.
func parse(r io.Reader, at time.Time) (sample, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return sample{}, fmt.Errorf("read metrics: %w", err)
	}
	if len(families) == 0 {
		return sample{}, errors.New("read metrics: there are none")
	}
	s := sample{at: at, inFlight: gauge(families[metricInFlight]), handled: counter(families[telemetry.MetricBrokerHandled])}
	for _, m := range families[metricRequests].GetMetric() {
		s.requests += m.GetCounter().GetValue()
		if failed(m.GetLabel()) {
			s.failed += m.GetCounter().GetValue()
		}
	}
	if cpu := families[metricCPU]; cpu != nil {
		s.cpu, s.hasCPU = counter(cpu), true
	}
	s.memory = gauge(families[metricMemory])
	s.durations = make(map[float64]float64)
	for _, m := range families[metricDuration].GetMetric() {
		for _, bucket := range m.GetHistogram().GetBucket() {
			s.durations[bucket.GetUpperBound()] += float64(bucket.GetCumulativeCount())
		}
	}
	if gauge(families[telemetry.MetricBrokerUp]) == 1 {
		s.queue = true
		s.ready, s.unsettled = gauge(families[telemetry.MetricBrokerReady]), gauge(families[telemetry.MetricBrokerUnsettled])
		s.oldestAge = gauge(families[telemetry.MetricBrokerOldestSeconds])
	}
	return s, nil
}

// failed tells answers of 429 and 503: the request was refused for want of room
// and did no work.
func failed(labels []*dto.LabelPair) bool {
	for _, l := range labels {
		if l.GetName() == "code" && (l.GetValue() == "503" || l.GetValue() == "429") {
			return true
		}
	}
	return false
}

func counter(family *dto.MetricFamily) float64 {
	sum := 0.
	for _, m := range family.GetMetric() {
		sum += m.GetCounter().GetValue()
	}
	return sum
}

func gauge(family *dto.MetricFamily) float64 {
	sum := 0.
	for _, m := range family.GetMetric() {
		sum += m.GetGauge().GetValue()
	}
	return sum
}

// restarted tells that the counters began anew, or that no time has passed.
func (s *sample) restarted(before *sample) bool {
	return s.requests < before.requests || s.handled < before.handled || s.cpu < before.cpu || !s.at.After(before.at)
}

// observeQueue takes what a pod told of the queue. What is with a process is
// told by that process alone, so unsettled messages add up; Ready is settled by
// addUp.
func (l *Load) observeQueue(s *sample) {
	if !s.queue {
		return
	}
	if l.Queue == nil {
		l.Queue = &Queue{Ready: math.Inf(1)}
	}
	l.Queue.Ready = min(l.Queue.Ready, s.ready)
	l.Queue.Unsettled += s.unsettled
	l.Queue.OldestSeconds = max(l.Queue.OldestSeconds, s.oldestAge)
}

// addUp completes the ready messages. All pods count those at the server, each
// its own that it was sent and has not begun besides: the least that any tells
// counts once, and what others tell beyond it is theirs.
func (q *Queue) addUp(readings []reading) {
	least := q.Ready
	for i := range readings {
		if r := &readings[i]; r.err == nil && r.now.queue {
			q.Ready += r.now.ready - least
		}
	}
}

// total sums the differences of all pods.
type total struct {
	pods, measured                    int
	offered, served, inFlight, handle float64
	used, cpus                        float64
	durations                         map[float64]float64
}

func (t *total) add(before, now *sample, cpus float64) {
	seconds := now.at.Sub(before.at).Seconds()
	t.pods++
	answered := (now.requests - before.requests) / seconds
	t.offered += answered + max(0, now.inFlight-before.inFlight)/seconds
	t.served += answered - max(0, now.failed-before.failed)/seconds
	t.inFlight += now.inFlight
	t.handle += (now.handled - before.handled) / seconds
	if now.hasCPU && before.hasCPU && cpus > 0 {
		t.measured++
		t.used += (now.cpu - before.cpu) / seconds
		t.cpus += cpus
	}
	if t.durations == nil {
		t.durations = make(map[float64]float64)
	}
	for bound, count := range now.durations {
		t.durations[bound] += max(0, count-before.durations[bound])
	}
}

func (t *total) fill(l *Load) {
	l.Pods, l.Offered, l.Served, l.InFlight, l.Handled = t.pods, t.offered, t.served, t.inFlight, t.handle
	if t.measured > 0 && t.measured == t.pods {
		l.Utilisation = t.used / t.cpus
	}
	l.P99 = quantile(t.durations, 0.99)
}

// leastRequests in an interval say something about a latency quantile.
const leastRequests = 100

// quantile interpolates within the bucket that a share of the counts reaches;
// -1 when there are too few.
func quantile(cumulated map[float64]float64, share float64) float64 {
	all := cumulated[math.Inf(1)]
	if all < leastRequests {
		return -1
	}
	lower, below := 0., 0.
	upper, at := math.Inf(1), all
	for bound, count := range cumulated {
		if count < share*all && bound > lower {
			lower, below = bound, count
		}
		if count >= share*all && bound < upper {
			upper, at = bound, count
		}
	}
	if math.IsInf(upper, 1) || at == below {
		return lower
	}
	return lower + (upper-lower)*(share*all-below)/(at-below)
}
