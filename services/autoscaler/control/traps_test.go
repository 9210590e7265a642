package control_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/control"
	"github.com/trivetkv/trivet/services/autoscaler/policy"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// silent is a source of which nothing can be learned.
type silent struct{}

func (silent) Collect(_ context.Context, pods []signal.Pod) signal.Load {
	load := signal.Load{Utilisation: -1, P99: -1, Failures: make(map[string]error)}
	for _, pod := range pods {
		load.Failures[pod.Name] = errors.New("the metrics server is away")
	}
	return load
}

// deployment is a driver of a workload that does as it is told.
type deployment struct {
	size    int
	orders  control.Orders
	changes int
}

func (d *deployment) Observe(context.Context) (control.Workload, error) {
	return control.Workload{Replicas: d.size, Ready: d.size, Pods: make([]signal.Pod, d.size), Orders: d.orders}, nil
}

func (d *deployment) Scale(_ context.Context, size int, _ string) error {
	d.size = size
	d.changes++
	return nil
}

func (d *deployment) Tell(string, string) {}

func step(t *testing.T, kind control.Kind, d *deployment, change func(*control.Options)) control.Record {
	t.Helper()
	options := control.Options{
		Name: "workload", Kind: kind, API: policy.Default(), Queue: policy.DefaultQueue(), Driver: d, Source: silent{},
		Clock: func() time.Time { return time.Date(2024, 1, 1, 9, 0, 0, 0, time.UTC) }, Location: time.UTC, Logger: slog.New(slog.DiscardHandler),
	}
	options.Queue.Min = 0
	if change != nil {
		change(&options)
	}
	c, err := control.New(options)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := c.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	records := c.Records()
	return records[len(records)-1]
}

// kedacore/keda#6475: with the metrics server unhealthy, what had been ordered
// for that case was not done.
func TestOrdersAreCarriedOutWhileNothingIsKnown(t *testing.T) {
	t.Parallel()
	d := &deployment{size: 3, orders: control.Orders{Schedule: control.Schedule{{From: "08:00", To: "20:00", Min: 6}}}}
	if r := step(t, control.KindAPI, d, nil); d.size != 6 || r.Decision.Reason != policy.ReasonBlind {
		t.Errorf("%d pods, and the schedule asks for 6: %s", d.size, r.Explanation)
	}
	fixed := 4
	d = &deployment{size: 3, orders: control.Orders{Fixed: &fixed}}
	if r := step(t, control.KindAPI, d, nil); d.size != 4 {
		t.Errorf("%d pods, and somebody has set it to 4: %s", d.size, r.Explanation)
	}
}

// kedacore/keda#7239: from zero, they were not done either.
func TestOrdersAreCarriedOutFromZero(t *testing.T) {
	t.Parallel()
	d := &deployment{orders: control.Orders{Schedule: control.Schedule{{From: "08:00", To: "20:00", Min: 2}}}}
	if r := step(t, control.KindConsumer, d, nil); d.size != 2 {
		t.Errorf("%d pods, and the schedule asks for 2: %s", d.size, r.Explanation)
	}
	d = &deployment{}
	if r := step(t, control.KindConsumer, d, nil); d.size != 0 || d.changes != 0 {
		t.Errorf("%d pods of none, without orders and without numbers: %s", d.size, r.Explanation)
	}
}

func TestADryRunDecidesAndChangesNothing(t *testing.T) {
	t.Parallel()
	schedule := control.Schedule{{From: "08:00", To: "20:00", Min: 6}}
	for name, c := range map[string]struct {
		orders   control.Orders
		advisory bool
	}{
		"of one workload": {control.Orders{DryRun: true, Schedule: schedule}, false},
		"of all":          {control.Orders{Schedule: schedule}, true},
	} {
		d := &deployment{size: 3, orders: c.orders}
		r := step(t, control.KindAPI, d, func(o *control.Options) { o.Advisory = c.advisory })
		if d.changes != 0 || r.Decision.Replicas != 6 || r.Applied || r.Why == "" {
			t.Errorf("%s: %d changes, %+v", name, d.changes, r)
		}
	}
}
