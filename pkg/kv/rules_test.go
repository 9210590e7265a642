package kv_test

import (
	"math"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

func TestNextVersionIsAboveAllThreeBounds(t *testing.T) {
	for _, c := range []struct {
		previous, floor kv.Version
		clock           int64
		want            kv.Version
	}{
		{0, 0, 100, 100},
		{100, 0, 100, 101},
		{100, 0, 50, 101}, // the clock has stepped back
		{0, 200, 100, 201},
		{300, 200, 100, 301},
	} {
		if got := kv.NextVersion(c.previous, c.floor, c.clock); got != c.want {
			t.Errorf("after %d, floor %d, clock %d: %d, want %d", c.previous, c.floor, c.clock, got, c.want)
		}
	}
}

func TestIncrementRefusesWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		number, by, want int64
		fits             bool
	}{
		{1, 2, 3, true},
		{math.MaxInt64, 0, math.MaxInt64, true},
		{math.MaxInt64 - 1, 1, math.MaxInt64, true},
		{math.MaxInt64, 1, 0, false},
		{math.MinInt64, -1, 0, false},
		{math.MinInt64 + 1, -1, math.MinInt64, true},
		{-1, math.MinInt64, 0, false},
	} {
		got, err := kv.Increment(c.number, c.by)
		if c.fits && (err != nil || got != c.want) || !c.fits && kv.CodeOf(err) != kv.CodeConflict {
			t.Errorf("%d + %d: %d, %v", c.number, c.by, got, err)
		}
	}
	if _, err := kv.Counter([]byte("12 ")); kv.CodeOf(err) != kv.CodeConflict {
		t.Errorf("a counter with a space: %v", err)
	}
}

func TestQuotaRefusesOnlyWhatGrows(t *testing.T) {
	n := kv.Namespace{MaxKeys: 10, MaxBytes: 100, Keys: 10, Bytes: 120}
	for _, c := range []struct {
		entries, bytes int64
		refused        bool
	}{
		{1, 0, true}, {0, 1, true}, {0, 0, false}, {0, -5, false}, {-1, -5, false},
	} {
		if err := n.CheckQuota(c.entries, c.bytes); (kv.CodeOf(err) == kv.CodeQuotaExceeded) != c.refused {
			t.Errorf("%+d keys, %+d bytes: %v", c.entries, c.bytes, err)
		}
	}
}
