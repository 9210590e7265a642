package load

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Failure is why a request did not get the answer it expected: one of the
// constants, or the status of the answer in digits.
type Failure string

// Failures that are no answer.
const (
	Connect  Failure = "connect"  // no connection could be made
	Broken   Failure = "broken"   // the connection ended before the answer did
	Protocol Failure = "protocol" // the answer was not HTTP/1.1
	Timeout  Failure = "timeout"
	Unsent   Failure = "unsent"   // an open loop's: no connection came free in time
	Canceled Failure = "canceled" // the run's context ended it
)

func statusFailure(status int) Failure { return Failure(strconv.Itoa(status)) }

// Result is what came of a run.
type Result struct {
	Stats
	Kinds   map[string]Stats // by Request.Kind, without the empty one
	Elapsed time.Duration    // from the first request to the end of the last answer
}

// Rate gives the expected answers per second.
func (r Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.OK) / r.Elapsed.Seconds()
}

// Stats are the counts of requests and the distribution of their latency.
type Stats struct {
	OK     int64             // answers that were expected
	Failed map[Failure]int64 // all others
	Bytes  int64             // of the bodies of expected answers

	// Latency holds every expected answer; and timeouts and unsent requests
	// with the time they had waited, since leaving them out would flatter.
	Latency Latency
}

// Failures gives the number of requests that failed.
func (s Stats) Failures() int64 {
	var n int64
	for _, count := range s.Failed {
		n += count
	}
	return n
}

// Latency is a distribution of durations with three significant digits.
type Latency struct{ h *hdrhistogram.Histogram }

// Histograms start at a microsecond and end at ten minutes; what is longer
// counts as that.
const (
	shortest = time.Microsecond
	longest  = 10 * time.Minute
)

func newLatency() Latency {
	return Latency{hdrhistogram.New(int64(shortest), int64(longest), 3)}
}

func (l Latency) record(d time.Duration) {
	// The value is in range, so recording cannot fail.
	_ = l.h.RecordValue(int64(min(max(d, shortest), longest)))
}

// Percentile gives the duration that p per cent of requests did not exceed.
func (l Latency) Percentile(p float64) time.Duration {
	if l.h == nil {
		return 0
	}
	return time.Duration(l.h.ValueAtPercentile(p))
}

// Mean gives the mean, 0 when there is nothing.
func (l Latency) Mean() time.Duration {
	if l.h == nil {
		return 0
	}
	return time.Duration(l.h.Mean())
}

// Max gives the longest duration.
func (l Latency) Max() time.Duration { return l.Percentile(100) }

// Count gives the number of durations.
func (l Latency) Count() int64 {
	if l.h == nil {
		return 0
	}
	return l.h.TotalCount()
}

// String gives the percentiles that people look at.
func (l Latency) String() string {
	return fmt.Sprintf("p50 %v  p90 %v  p99 %v  p99.9 %v  max %v",
		l.Percentile(50), l.Percentile(90), l.Percentile(99), l.Percentile(99.9), l.Max())
}

// recorder collects what workers report in a few shards: one histogram for
// each of hundreds of connections would fall out of the processor's caches.
type recorder struct{ shards []*shard }

func newRecorder() *recorder {
	r := &recorder{shards: make([]*shard, runtime.GOMAXPROCS(0))}
	for i := range r.shards {
		r.shards[i] = &shard{}
	}
	return r
}

func (r *recorder) shard(worker int) *shard { return r.shards[worker%len(r.shards)] }

type shard struct {
	mu    sync.Mutex
	kinds []kindStats // a handful: searching beats hashing
}

type kindStats struct {
	kind string
	Stats
}

func (s *shard) ok(kind string, bytes int64, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kind(kind)
	k.OK++
	k.Bytes += bytes
	k.Latency.record(d)
}

func (s *shard) fail(kind string, f Failure, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kind(kind)
	k.Failed[f]++
	if f == Timeout || f == Unsent {
		k.Latency.record(d)
	}
}

func (s *shard) kind(name string) *Stats {
	for i := range s.kinds {
		if s.kinds[i].kind == name {
			return &s.kinds[i].Stats
		}
	}
	s.kinds = append(s.kinds, kindStats{name, newStats()})
	return &s.kinds[len(s.kinds)-1].Stats
}

func newStats() Stats { return Stats{Failed: map[Failure]int64{}, Latency: newLatency()} }

func (s *Stats) add(o Stats) {
	s.OK += o.OK
	s.Bytes += o.Bytes
	for f, n := range o.Failed {
		s.Failed[f] += n
	}
	s.Latency.h.Merge(o.Latency.h)
}

func (r *recorder) result(elapsed time.Duration) Result {
	res := Result{Stats: newStats(), Kinds: map[string]Stats{}, Elapsed: elapsed}
	for _, s := range r.shards {
		for _, k := range s.kinds {
			res.add(k.Stats)
			if k.kind == "" {
				continue
			}
			total, ok := res.Kinds[k.kind]
			if !ok {
				total = newStats()
			}
			total.add(k.Stats)
			res.Kinds[k.kind] = total
		}
	}
	return res
}
