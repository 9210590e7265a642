package queueing_test

import (
	"math"
	"testing"

	"github.com/trivetkv/trivet/services/autoscaler/queueing"
)

func TestWaitProbabilityAgreesWithPublishedTables(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		servers    int
		load, want float64
	}{
		{1, 0.5, 0.5}, {2, 1, 1. / 3}, {2, 1.5, 0.6428571}, {3, 2, 0.4444444}, {10, 8, 0.4091803}, {5, 0, 0}, {2, 2, 1}, {2, 3, 1},
	} {
		if got := queueing.WaitProbability(c.servers, c.load); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%d servers, load %v: %v, want %v", c.servers, c.load, got, c.want)
		}
	}
}

func TestTheQuantileOfOneServerIsExponential(t *testing.T) {
	t.Parallel()
	// The sojourn time of M/M/1 is exponential with rate 100 - 60.
	if got, want := queueing.Quantile(1, 100, 60, 0.99), math.Log(100)/40; math.Abs(got-want) > 1e-9 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := queueing.Waiting(1, 100, 60), 0.9; math.Abs(got-want) > 1e-9 {
		t.Errorf("waiting: got %v, want %v", got, want)
	}
}

func TestQuantileTailAndLimitAreInversesOfEachOther(t *testing.T) {
	t.Parallel()
	for servers := 1; servers <= 200; servers += 7 {
		for _, utilisation := range []float64{0.05, 0.5, 0.9, 0.99} {
			arrivals := utilisation * 100 * float64(servers)
			q := queueing.Quantile(servers, 100, arrivals, 0.99)
			if tail := queueing.Exceeds(servers, 100, arrivals, q); math.Abs(tail-0.01) > 1e-6 {
				t.Errorf("%d servers at %v: tail %v at the quantile %v", servers, utilisation, tail, q)
			}
			if limit := queueing.Limit(servers, 100, q, 0.99); math.Abs(limit-arrivals) > 1e-3*arrivals && utilisation > 0.5 {
				t.Errorf("%d servers at %v: limit %v, want %v", servers, utilisation, limit, arrivals)
			}
		}
	}
}

func TestOverload(t *testing.T) {
	t.Parallel()
	if q := queueing.Quantile(2, 100, 200, 0.99); !math.IsInf(q, 1) {
		t.Errorf("quantile %v", q)
	}
	if w := queueing.Waiting(2, 100, 250); !math.IsInf(w, 1) {
		t.Errorf("waiting %v", w)
	}
	if l := queueing.Limit(50, 10, 0.1, 0.99); l != 0 {
		t.Errorf("limit %v where service alone is too slow", l)
	}
}
