package signal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promapi "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/trivetkv/trivet/pkg/telemetry"
)

// Staleness of what a Prometheus server has of a pod.
const (
	// rangeWindow is how far back samples are asked for: two of them have to be
	// within, so a pod may be scraped every half minute.
	rangeWindow = 75 * time.Second
	// staleAfter is the age at which the newest sample counts as missing.
	staleAfter = 45 * time.Second
)

// Prometheus asks a Prometheus server for what the pods told it. It takes the
// raw samples with the times at which they were scraped: what a server that
// has stopped scraping answers is old, and is known to be. It is not safe for
// concurrent use.
type Prometheus struct {
	api       promapi.API
	namespace string
	clock     func() time.Time
	timeout   time.Duration
}

// NewPrometheus makes a source that asks the server at url about the pods of a
// namespace. Series need the labels namespace and pod, as Prometheus' service
// discovery for Kubernetes is set up to give them. token, which may be empty,
// is the bearer token.
func NewPrometheus(url, token, namespace string, clock func() time.Time, timeout time.Duration) (*Prometheus, error) {
	client, err := api.NewClient(api.Config{Address: url, RoundTripper: bearer{token, http.DefaultTransport}})
	if err != nil {
		return nil, fmt.Errorf("the Prometheus server: %w", err)
	}
	return &Prometheus{api: promapi.NewAPI(client), namespace: namespace, clock: clock, timeout: timeout}, nil
}

// bearer adds a token to requests.
type bearer struct {
	token string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// metricNames are all that is read of a pod.
var metricNames = strings.Join([]string{
	metricRequests, metricInFlight, metricDuration + "_bucket", metricCPU, metricMemory, telemetry.MetricBrokerHandled,
	telemetry.MetricBrokerUp, telemetry.MetricBrokerReady, telemetry.MetricBrokerUnsettled, telemetry.MetricBrokerOldestSeconds,
}, "|")

// Collect asks once for all pods and compares the last two samples of each.
func (p *Prometheus) Collect(ctx context.Context, pods []Pod) Load {
	readings := make([]reading, len(pods))
	if len(pods) == 0 {
		return summarise(pods, readings)
	}
	now := p.clock()
	series, err := p.ask(ctx, pods, now)
	for i, pod := range pods {
		switch {
		case err != nil:
			readings[i].err = err
		case series[pod.Name] == nil:
			readings[i].err = errors.New("the Prometheus server knows nothing of it")
		default:
			readings[i] = series[pod.Name].read(now)
		}
	}
	return summarise(pods, readings)
}

// ask gives what the server has, by pod.
func (p *Prometheus) ask(ctx context.Context, pods []Pod, now time.Time) (map[string]podSeries, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	names := make([]string, len(pods))
	for i, pod := range pods {
		names[i] = regexp.QuoteMeta(pod.Name)
	}
	query := fmt.Sprintf("{__name__=~%q,namespace=%q,pod=~%q}[%ds]", metricNames, p.namespace, strings.Join(names, "|"), int(rangeWindow.Seconds()))
	answer, _, _, err := p.api.Query(ctx, query, now)
	if err != nil {
		return nil, fmt.Errorf("ask the Prometheus server: %w", err)
	}
	matrix, ok := answer.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("ask the Prometheus server: it answered a %s", answer.Type())
	}
	series := make(map[string]podSeries)
	for _, stream := range matrix {
		pod := string(stream.Metric["pod"])
		series[pod] = append(series[pod], stream)
	}
	return series, nil
}

// podSeries is what the server has of one pod.
type podSeries []*model.SampleStream

// read gives the last two samples. Series of one scrape have its time.
func (s podSeries) read(now time.Time) reading {
	var last, before model.Time
	for _, stream := range s {
		for _, v := range stream.Values {
			switch {
			case v.Timestamp > last:
				before, last = last, v.Timestamp
			case v.Timestamp > before && v.Timestamp < last:
				before = v.Timestamp
			}
		}
	}
	if age := now.Sub(last.Time()); age > staleAfter {
		return reading{err: fmt.Errorf("the Prometheus server's last sample is %.0f s old", age.Seconds())}
	}
	r := reading{now: s.at(last), paired: before > 0}
	if r.paired {
		r.before = s.at(before)
	}
	return r
}

// at is the sample of a scrape.
func (s podSeries) at(scraped model.Time) sample {
	result := sample{at: scraped.Time(), durations: make(map[float64]float64)}
	up := 0.
	for _, stream := range s {
		for _, v := range stream.Values {
			if v.Timestamp != scraped {
				continue
			}
			value := float64(v.Value)
			switch stream.Metric[model.MetricNameLabel] {
			case metricRequests:
				result.requests += value
				if code := stream.Metric["code"]; code == "503" || code == "429" {
					result.failed += value
				}
			case metricInFlight:
				result.inFlight += value
			case metricDuration + "_bucket":
				if bound, err := strconv.ParseFloat(string(stream.Metric["le"]), 64); err == nil && !math.IsNaN(bound) {
					result.durations[bound] += value
				}
			case metricCPU:
				result.cpu, result.hasCPU = value, true
			case metricMemory:
				result.memory = value
			case telemetry.MetricBrokerHandled:
				result.handled += value
			case telemetry.MetricBrokerUp:
				up += value
			case telemetry.MetricBrokerReady:
				result.ready += value
			case telemetry.MetricBrokerUnsettled:
				result.unsettled += value
			case telemetry.MetricBrokerOldestSeconds:
				result.oldestAge += value
			}
		}
	}
	result.queue = up == 1
	return result
}
