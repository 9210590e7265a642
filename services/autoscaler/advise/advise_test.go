package advise_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/advise"
)

func TestAdviceFollowsFromWhatWasUsed(t *testing.T) {
	t.Parallel()
	var r advise.Recorder
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := r.Report(0); !errors.Is(err, advise.ErrTooEarly) {
		t.Errorf("got %v before anything was seen", err)
	}
	for i := range 3601 {
		used := 0.2
		if i%50 == 0 { // one in fifty
			used = 0.8
		}
		r.Record(at.Add(time.Duration(i)*2*time.Second), []advise.Usage{{CPUs: used, Memory: 1e8}, {CPUs: 0.2, Memory: 2e8}}, 2)
	}
	report, err := r.Report(0.05)
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 0.03*want {
			t.Errorf("%s %v, want %v", what, got, want)
		}
	}
	near("typical CPU", report.CPUTypical, 0.2)
	near("busy CPU", report.CPUBusy, 0.8)
	near("CPU request", report.CPURequest, 0.92)
	near("memory request", report.MemoryRequest, 2.4e8)
	near("pod-hours", report.PodHours, 4)
	near("saving", report.SavingUSD, 0.05*4*(2-0.92))
}
