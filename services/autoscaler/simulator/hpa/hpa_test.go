package hpa_test

import (
	_ "embed"
	"encoding/json"
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/simulator/hpa"
)

//go:embed testdata/replica_calculator.json
var replicaCalculator []byte

type golden struct {
	Name      string  `json:"name"`
	Kind      string  `json:"kind"`
	Resource  string  `json:"resource"`
	Current   int32   `json:"current"`
	Target    int64   `json:"target"`
	Up        float64 `json:"tolerance_up"`
	Down      float64 `json:"tolerance_down"`
	MetricAgo float64 `json:"metric_ago"`
	Levels    []int64 `json:"levels"`
	Pods      []struct {
		Deleted    bool    `json:"deleted"`
		Failed     bool    `json:"failed"`
		Pending    bool    `json:"pending"`
		Ready      bool    `json:"ready"`
		StartedAgo float64 `json:"started_ago"`
		Request    int64   `json:"request"`
		HasMetric  bool    `json:"has_metric"`
		Value      int64   `json:"value"`
	} `json:"pods"`
	Error    string `json:"error"`
	Replicas int32  `json:"replicas"`
	Usage    int64  `json:"usage"`
}

var now = time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)

func ago(seconds float64) time.Time {
	if seconds < 0 {
		return time.Time{}
	}
	return now.Add(-time.Duration(seconds * float64(time.Second)))
}

func (g *golden) pods() []hpa.Pod {
	pods := make([]hpa.Pod, 0, len(g.Pods))
	for _, p := range g.Pods {
		pods = append(pods, hpa.Pod{
			Deleted: p.Deleted, Failed: p.Failed, Pending: p.Pending, Ready: p.Ready, Conditioned: true, Started: true,
			StartTime: ago(p.StartedAgo), Request: p.Request, HasMetric: p.HasMetric, Value: p.Value,
			MetricTime: ago(g.MetricAgo), Window: time.Minute,
		})
	}
	return pods
}

func TestThePortAgreesWithTheTablesOfKubernetes(t *testing.T) {
	t.Parallel()
	var cases []golden
	if err := json.Unmarshal(replicaCalculator, &cases); err != nil || len(cases) < 50 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	calculator := hpa.Calculator{CPUInitializationPeriod: 2 * time.Minute, DelayOfInitialReadinessStatus: 10 * time.Second}
	for _, g := range cases {
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			tolerances := hpa.Tolerances{ScaleDown: g.Down, ScaleUp: g.Up}
			var (
				replicas int32
				usage    int64
				err      error
			)
			switch g.Kind {
			case "resource":
				var utilization int32
				replicas, utilization, err = calculator.ResourceReplicas(g.Current, int32(g.Target), g.Resource == "cpu", tolerances, g.pods(), now)
				usage = int64(utilization)
			case "pods":
				replicas, usage, err = calculator.MetricReplicas(g.Current, g.Target, tolerances, g.pods(), now)
			case "external_per_pod":
				replicas, usage = hpa.ExternalPerPodReplicas(g.Current, g.Target, tolerances, g.Levels...)
			default:
				t.Fatalf("kind %q", g.Kind)
			}
			if g.Error != "" {
				if err == nil {
					t.Errorf("got %d, want the error %q", replicas, g.Error)
				}
				return
			}
			if err != nil || replicas != g.Replicas || usage != g.Usage {
				t.Errorf("got %d replicas and usage %d (%v), want %d and %d", replicas, usage, err, g.Replicas, g.Usage)
			}
		})
	}
}

// Cases of TestNormalizeDesiredReplicas and TestConvertDesiredReplicasWithRules
// of Kubernetes v1.34.2.
func TestRecommendationsAreStabilizedAsInKubernetes(t *testing.T) {
	t.Parallel()
	type past struct {
		replicas int32
		minutes  int
	}
	for name, c := range map[string]struct {
		past          []past
		desired, want int32
	}{
		"empty log":                          {nil, 5, 5},
		"stabilize":                          {[]past{{4, 2}, {5, 1}}, 3, 5},
		"no stabilize":                       {[]past{{1, 2}, {2, 1}}, 3, 3},
		"no stabilize - old recommendations": {[]past{{10, 10}, {9, 9}}, 3, 3},
		"stabilize - old recommendations":    {[]past{{10, 10}, {9, 9}, {5, 2}, {4, 1}}, 3, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n hpa.Normalizer
			const current, least, most = 3, 1, 100
			n.Normalize(0, 0, 0, most, ago(3600)) // the initial recommendation is outdated
			for _, p := range c.past {
				n.Normalize(current, p.replicas, least, most, ago(60*float64(p.minutes)))
			}
			if got := n.Normalize(current, c.desired, least, most, now); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestLimitsAreThoseOfKubernetes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ current, desired, least, most, want int32 }{
		"within range":               {5, 7, 3, 8, 7},
		"below min":                  {3, 1, 2, 8, 2},
		"zero within range":          {1, 0, 0, 10, 0},
		"max below the scale limit":  {20, 1000, 1, 10, 10},
		"the scale limit below max":  {3, 1000, 1, 2000, 6},
		"the scale limit is 4 or so": {1, 1000, 1, 2000, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n hpa.Normalizer
			n.Normalize(0, 0, 0, 1, ago(3600))
			if got := n.Normalize(c.current, c.desired, c.least, c.most, now); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
