package advise_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/advise"
)

func TestAdviceFollowsFromWhatWasUsed(t *testing.T) {
	t.Parallel()
	var r advise.Recorder
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := r.Report(); !errors.Is(err, advise.ErrTooEarly) {
		t.Errorf("got %v before anything was seen", err)
	}
	for i := range 3601 {
		used := 0.2
		if i%50 == 0 { // one in fifty
			used = 0.8
		}
		r.Record(at.Add(time.Duration(i)*2*time.Second), []advise.Usage{{CPUs: used, Memory: 1e8}, {CPUs: 0.2, Memory: 2e8}}, advise.Usage{CPUs: 2, Memory: 4e9})
	}
	report, err := r.Report()
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
	if len(report.Sizes) != 1 || report.Sizes[0].Pods != 2 || math.Abs(report.Sizes[0].Hours-2) > 1e-9 || report.Requested.CPUs != 2 {
		t.Errorf("sizes %v, requested %v", report.Sizes, report.Requested)
	}
}

func TestNodesAreChosenByWhatTheirPodsWouldHaveCost(t *testing.T) {
	t.Parallel()
	nodes, err := advise.ReadNodes(strings.NewReader(`region,service,item,unit,usd,date,source
us-east-1,ec2,m5.large,hour,0.1,2025-07-01,x
us-east-1,ec2,c5.2xlarge,hour,0.3,2025-07-01,x
us-east-1,ec2,t3.medium,hour,0.03,2025-07-01,x
us-east-1,ec2,trn1.2xlarge,hour,9,2025-07-01,x
us-east-1,ec2,nat-gateway,hour,0.045,2025-07-01,x
us-east-1,eks,cluster,hour,0.1,2025-07-01,x
eu-west-1,ec2,m5.large,hour,0.2,2025-07-01,x
`), "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	sizes := []advise.SizeHours{{Pods: 3, Hours: 10}, {Pods: 7, Hours: 10}}
	plans := advise.Plan(advise.Usage{CPUs: 0.5, Memory: 2 << 30}, sizes, nodes)
	// t3.medium takes 1 pod, m5.large 3, c5.2xlarge 7.
	want := []advise.NodePlan{
		{Type: "t3.medium", PodsPerNode: 1, MostNodes: 7, MonthUSD: 5 * 730 * 0.03},
		{Type: "m5.large", PodsPerNode: 3, MostNodes: 3, MonthUSD: 2 * 730 * 0.1},
		{Type: "c5.2xlarge", PodsPerNode: 7, MostNodes: 1, MonthUSD: 730 * 0.3},
	}
	if !slices.EqualFunc(plans, want, func(a, b advise.NodePlan) bool {
		return a.Type == b.Type && a.PodsPerNode == b.PodsPerNode && a.MostNodes == b.MostNodes && math.Abs(a.MonthUSD-b.MonthUSD) < 1e-6
	}) {
		t.Errorf("got  %+v\nwant %+v", plans, want)
	}
	if plans := advise.Plan(advise.Usage{CPUs: 100}, sizes, nodes); plans != nil {
		t.Errorf("a pod that fits nowhere has %+v", plans)
	}
}

func TestPricesThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "a,b\n", "region,service,item,unit,usd,date,source\n", "region,service,item,unit,usd,date,source\nx,ec2,m5.large,hour,free,d,s\n",
	} {
		if _, err := advise.ReadNodes(strings.NewReader(text), "x"); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
