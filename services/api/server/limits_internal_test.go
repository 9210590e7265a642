package server

import (
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// TestRefusalsAreHeldEachForATimeOfItsOwn has many refused at once, and looks
// how many of them would come back within the same hundredth of the time.
func TestRefusalsAreHeldEachForATimeOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		refusal error
		mean    time.Duration
	}{
		{errShed, 250 * time.Millisecond},
		{rateLimited("this caller", time.Millisecond), 250 * time.Millisecond},
		{rateLimited("this caller", 600*time.Millisecond), 600 * time.Millisecond},
		{rateLimited("this caller", 8*time.Second), time.Second},
		{kv.Errorf(kv.CodeOverloaded, "full"), 250 * time.Millisecond},
	} {
		const refusals = 10_000
		at := map[int]int{} // by the hundredth of the mean
		for range refusals {
			held := pause(c.refusal)
			if held < c.mean/2 || held >= c.mean*3/2 {
				t.Fatalf("%v is held for %v, want %v to %v", c.refusal, held, c.mean/2, c.mean*3/2)
			}
			at[int(100*held/c.mean)]++
		}
		for when, n := range at {
			if n > refusals/50 {
				t.Errorf("%v: %d of %d come back after %d %% of %v", c.refusal, n, refusals, when, c.mean)
			}
		}
	}
}
