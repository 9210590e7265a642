package signal_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// pod answers with the texts it is given, one after the other.
func pod(t *testing.T, texts ...string) signal.Pod {
	t.Helper()
	var next atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i := min(int(next.Add(1)), len(texts)) - 1
		if texts[i] == "" {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, texts[i])
	}))
	t.Cleanup(server.Close)
	return signal.Pod{Name: server.URL, URL: server.URL, CPUs: 2}
}

func text(answered, refused, inFlight, cpu float64) string {
	return fmt.Sprintf(`# TYPE trivet_http_requests_total counter
trivet_http_requests_total{route="kv",method="GET",code="200"} %v
trivet_http_requests_total{route="kv",method="GET",code="503"} %v
# TYPE trivet_http_requests_in_flight gauge
trivet_http_requests_in_flight %v
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total %v
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1e+08
`, answered, refused, inFlight, cpu)
}

// source's clock goes on by one second with each answer of a pod.
func source() *signal.Source {
	var seconds atomic.Int64
	clock := func() time.Time { return time.Unix(seconds.Add(1), 0) }
	return signal.NewSource(http.DefaultClient, clock, time.Second)
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestOfferedLoadIsWhatWasAnsweredRefusedAndWaits(t *testing.T) {
	t.Parallel()
	p := pod(t, text(100, 0, 3, 10), text(150, 30, 8, 11))
	s := source()
	if first := s.Collect(t.Context(), []signal.Pod{p}); first.Pods != 0 {
		t.Errorf("%d pods told a rate at the first look", first.Pods)
	}
	load := s.Collect(t.Context(), []signal.Pod{p})
	if load.Pods != 1 || !near(load.Offered, 85) || !near(load.Served, 50) || !near(load.Utilisation, 0.5) {
		t.Errorf("got %+v", load)
	}
	if len(load.Usage) != 1 || !near(load.Usage[0].CPUs, 1) || !near(load.Usage[0].Memory, 1e8) {
		t.Errorf("usage %+v", load.Usage)
	}
}

func TestPodsThatSayNothingAreCountedOut(t *testing.T) {
	t.Parallel()
	for name, spoiled := range map[string]string{"down": "", "no metrics": "\n", "nonsense": "{{{\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good, bad := pod(t, text(0, 0, 0, 0), text(10, 0, 0, 0)), pod(t, text(0, 0, 0, 0), spoiled)
			s := source()
			s.Collect(t.Context(), []signal.Pod{good, bad})
			load := s.Collect(t.Context(), []signal.Pod{good, bad})
			if load.Pods != 1 || load.Failures[bad.Name] == nil || load.Failures[good.Name] != nil {
				t.Errorf("%d pods, failures %v", load.Pods, load.Failures)
			}
		})
	}
}

func TestCountersThatBeganAnewAddNothing(t *testing.T) {
	t.Parallel()
	p := pod(t, text(1000, 0, 0, 50), text(5, 0, 0, 1), text(25, 0, 0, 1))
	s := source()
	s.Collect(t.Context(), []signal.Pod{p})
	if load := s.Collect(t.Context(), []signal.Pod{p}); load.Pods != 0 {
		t.Errorf("a restarted pod told %v/s", load.Offered)
	}
	if load := s.Collect(t.Context(), []signal.Pod{p}); load.Pods != 1 || !near(load.Offered, 20) {
		t.Errorf("after its restart: %+v", load)
	}
}

func TestTheQueueIsReadWhereverItIsTold(t *testing.T) {
	t.Parallel()
	queue := func(up, ready, handled float64) string {
		return fmt.Sprintf(`# TYPE trivet_broker_up gauge
trivet_broker_up %v
# TYPE trivet_broker_ready_messages gauge
trivet_broker_ready_messages %v
# TYPE trivet_broker_unsettled_messages gauge
trivet_broker_unsettled_messages 7
# TYPE trivet_broker_oldest_message_seconds gauge
trivet_broker_oldest_message_seconds 12
# TYPE trivet_broker_handled_messages_total counter
trivet_broker_handled_messages_total{verdict="ack"} %v
`, up, ready, handled)
	}
	p := pod(t, queue(1, 100, 0), queue(1, 90, 40), queue(0, 0, 40))
	s := source()
	s.Collect(t.Context(), []signal.Pod{p})
	load := s.Collect(t.Context(), []signal.Pod{p})
	if q := load.Queue; q == nil || q.Ready != 90 || q.Unsettled != 7 || q.OldestSeconds != 12 || !near(load.Handled, 40) {
		t.Errorf("got %+v, handled %v", q, load.Handled)
	}
	if load := s.Collect(t.Context(), []signal.Pod{p}); load.Queue != nil {
		t.Errorf("a broker that did not answer told %+v", load.Queue)
	}
}

func TestLatencyIsThatOfTheInterval(t *testing.T) {
	t.Parallel()
	durations := func(fast, slow int) string {
		return fmt.Sprintf(`# TYPE trivet_http_request_duration_seconds histogram
trivet_http_request_duration_seconds_bucket{route="kv",method="GET",le="0.01"} %d
trivet_http_request_duration_seconds_bucket{route="kv",method="GET",le="0.1"} %d
trivet_http_request_duration_seconds_bucket{route="kv",method="GET",le="+Inf"} %d
trivet_http_request_duration_seconds_sum{route="kv",method="GET"} 1
trivet_http_request_duration_seconds_count{route="kv",method="GET"} %d
`, fast, fast+slow, fast+slow, fast+slow)
	}
	p := pod(t, durations(1000, 0), durations(1900, 100), durations(1901, 100))
	s := source()
	s.Collect(t.Context(), []signal.Pod{p})
	load := s.Collect(t.Context(), []signal.Pod{p})
	if want := 0.01 + 0.09*0.9; !near(load.P99, want) {
		t.Errorf("p99 %v s, want %v s", load.P99, want)
	}
	if load := s.Collect(t.Context(), []signal.Pod{p}); load.P99 != -1 {
		t.Errorf("p99 %v s of one request", load.P99)
	}
}
