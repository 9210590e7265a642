package simulator

import (
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/simulator/hpa"
)

// epoch is when every trace begins: a Monday.
var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// metricsResolution is how often the metrics server asks the nodes for what
// pods use; the answer is the mean since the last time.
const metricsResolution = 15

// podRequest is the CPU request of a simulated pod, in millicores: all that it
// can use.
const podRequest = 1000

// cpuHPA is the HorizontalPodAutoscaler with a target on CPU.
type cpuHPA struct {
	settings   Settings
	calculator hpa.Calculator
	normalizer hpa.Normalizer
	pods       []hpa.Pod

	used    float64 // utilisation of the ready pods since the last sample
	sample  float64
	sampled int // second at which the sample ended
	size    int
}

// HPA makes a HorizontalPodAutoscaler on CPU, as Kubernetes has it.
func HPA(s Settings) (Policy, error) {
	return &cpuHPA{settings: s, size: s.Min, calculator: hpa.Calculator{
		CPUInitializationPeriod:       hpa.CPUInitializationPeriod,
		DelayOfInitialReadinessStatus: hpa.DelayOfInitialReadinessStatus,
	}}, nil
}

func (p *cpuHPA) Step(v *View) int {
	now := v.Second + 1
	p.used += v.Utilisation
	if now%metricsResolution == 0 {
		p.sample, p.used, p.sampled = p.used/metricsResolution, 0, now
	}
	if now%int(hpa.SyncPeriod.Seconds()) != 0 {
		return p.size
	}
	p.observe(v.Pods, now)
	at := moment(now)
	current, least, most := sizes(v, &p.settings)
	desired, _, err := p.calculator.ResourceReplicas(current, int32(100*p.settings.Target+0.5), true,
		hpa.Tolerances{ScaleDown: hpa.DefaultTolerance, ScaleUp: hpa.DefaultTolerance}, p.pods, at)
	if err == nil {
		p.size = int(p.normalizer.Normalize(current, desired, least, most, at))
	}
	return p.size
}

// sizes are in the type that Kubernetes has for them.
func sizes(v *View, s *Settings) (current, least, most int32) {
	return int32(v.Replicas), int32(s.Min), int32(s.Max) //nolint:gosec // they are at most a few thousand
}

// observe gives the pods as the API server would show them.
func (p *cpuHPA) observe(pods []Pod, now int) {
	p.pods = p.pods[:0]
	for _, pod := range pods {
		seen := hpa.Pod{
			Conditioned: true, Started: true, StartTime: moment(pod.Created), Request: podRequest,
			Ready: pod.Ready < now, LastTransition: moment(pod.Created),
			HasMetric: pod.Created+metricsResolution <= p.sampled, MetricTime: moment(p.sampled), Window: metricsResolution * time.Second,
		}
		if seen.Ready {
			seen.LastTransition = moment(pod.Ready)
			seen.Value = int64(p.sample * podRequest)
		}
		p.pods = append(p.pods, seen)
	}
}

func moment(second int) time.Time { return epoch.Add(time.Duration(second) * time.Second) }

// keda is KEDA with a Prometheus trigger on requests per second: KEDA hands the
// metric to a HorizontalPodAutoscaler, which asks for it at every sync.
type keda struct {
	settings   Settings
	normalizer hpa.Normalizer
	window     [kedaWindow]float64
	sum        float64
	size       int
}

// kedaWindow is the range of rate() in the trigger's query, in seconds.
const kedaWindow = 60

// prometheusScrape is how often Prometheus scrapes, in seconds.
const prometheusScrape = 15

// KEDA makes a ScaledObject on offered requests per second, with the target's
// share of what a pod serves for each pod.
func KEDA(s Settings) (Policy, error) { return &keda{settings: s, size: s.Min}, nil }

func (p *keda) Step(v *View) int {
	now := v.Second + 1
	slot := v.Second % kedaWindow
	p.sum += v.Arrivals - p.window[slot]
	p.window[slot] = v.Arrivals
	if now%prometheusScrape != 0 || now < kedaWindow {
		return p.size
	}
	rate := p.sum / kedaWindow
	current, least, most := sizes(v, &p.settings)
	desired, _ := hpa.ExternalPerPodReplicas(current, int64(1000*p.settings.Target*p.settings.PodRate),
		hpa.Tolerances{ScaleDown: hpa.DefaultTolerance, ScaleUp: hpa.DefaultTolerance}, int64(1000*rate))
	p.size = int(p.normalizer.Normalize(current, desired, least, most, moment(now)))
	return p.size
}
