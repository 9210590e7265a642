// Command autoscaler sets the sizes of Trivet's services in a cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"time"
	_ "time/tzdata" // zones, where the image has none

	"github.com/prometheus/client_golang/prometheus"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/lifecycle"
	"github.com/trivetkv/trivet/pkg/process"
	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/services/autoscaler/advise"
	"github.com/trivetkv/trivet/services/autoscaler/control"
	"github.com/trivetkv/trivet/services/autoscaler/control/kubernetes"
	"github.com/trivetkv/trivet/services/autoscaler/page"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// name of the Lease, of the stored state and of the source of Events.
const name = "trivet-autoscaler"

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "autoscaler: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		cfg   config.Autoscaler
		admin config.Admin
		own   config.Process
	)
	if err := config.Load(os.Environ(), &cfg, &admin, &own); err != nil {
		return err
	}
	logger := telemetry.NewLogger(os.Stderr, own.LogLevel, own.LogFormat).With("service", "autoscaler")
	ctx, stop := process.Signals(context.Background())
	defer stop()

	api, err := connect(cfg.Kubeconfig)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("the name of this host: %w", err)
	}
	registry, readiness := telemetry.NewRegistry(), new(health.Readiness)
	usage := make(map[string]*advise.Recorder)
	options := kubernetes.Options{
		Client: api, Namespace: cfg.Namespace, Identity: host + "-" + strconv.Itoa(os.Getpid()), Name: name, Logger: logger,
		Controller: func(t kubernetes.Target, d control.Driver) (*control.Controller, error) {
			recorder := new(advise.Recorder)
			usage[t.Name] = recorder
			return newController(&cfg, t, d, recorder, logger, registry)
		},
	}
	for _, w := range cfg.Workloads {
		options.Targets = append(options.Targets, kubernetes.Target{
			Namespace: cfg.Namespace, Name: w.Name, MetricsPort: metricsPort(w), TLS: cfg.PodsCA != "",
		})
	}
	manager, err := kubernetes.New(options)
	if err != nil {
		return &config.Error{Name: "TRIVET_AUTOSCALER_WORKLOADS", Problem: err.Error()}
	}
	decisions := page.Handler(page.Source{
		Controllers: manager.Controllers(), Leading: manager.Leading, Token: cfg.Token.Reveal(),
		Order: func(ctx context.Context, workload string, o page.Order) error {
			i := slices.IndexFunc(options.Targets, func(t kubernetes.Target) bool { return t.Name == workload })
			if i < 0 {
				return page.ErrUnknownWorkload
			}
			return kubernetes.Order(ctx, api, options.Targets[i], annotations(o))
		},
		Advice: func(workload string) (any, error) {
			if usage[workload] == nil {
				return nil, page.ErrUnknownWorkload
			}
			return usage[workload].Report()
		},
	})

	var services lifecycle.Group
	start := func(name string, s lifecycle.Service) {
		if err == nil {
			err = services.Start(ctx, name, s)
		}
	}
	start("administration", health.NewServer(health.ServerOptions{Address: string(admin.Listen), Readiness: readiness, Metrics: registry, Logger: logger}))
	start("decisions", page.NewServer(string(cfg.Listen), decisions, logger))
	start("autoscaler", manager)
	if err == nil {
		readiness.Started()
		logger.Info("started", "namespace", cfg.Namespace, "workloads", len(cfg.Workloads), "dry_run", cfg.DryRun)
		<-ctx.Done()
		readiness.Drain()
	}
	ending, cancel := context.WithTimeout(context.Background(), own.StopTimeout)
	defer cancel()
	return errors.Join(err, services.Stop(ending))
}

// connect reaches the cluster that a file names, or the one that this is a pod
// of. A cluster that nobody has named is never touched.
func connect(kubeconfig string) (client.Interface, error) {
	var (
		cfg *rest.Config
		err error
	)
	if kubeconfig != "" {
		cfg, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	} else {
		cfg, err = rest.InClusterConfig()
	}
	if err != nil {
		return nil, &config.Error{Name: "TRIVET_AUTOSCALER_KUBECONFIG", Problem: err.Error()}
	}
	// A request that hangs is as bad as one that fails: the Lease would lapse.
	cfg.Timeout = 5 * time.Second
	api, err := client.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return api, nil
}

// annotations are an order's.
func annotations(o page.Order) map[string]*string {
	yes, size := "true", strconv.Itoa(o.Replicas)
	switch o.Action {
	case "pause":
		return map[string]*string{kubernetes.AnnotationPaused: &yes}
	case "resume":
		return map[string]*string{kubernetes.AnnotationPaused: nil}
	case "set":
		return map[string]*string{kubernetes.AnnotationFixed: &size}
	default: // auto
		return map[string]*string{kubernetes.AnnotationFixed: nil, kubernetes.AnnotationPaused: nil, kubernetes.AnnotationDryRun: nil}
	}
}

// defaultMetricsPort is that of the services' admin listener.
const defaultMetricsPort = 9090

func metricsPort(w config.ScaledWorkload) int {
	if w.MetricsPort == 0 {
		return defaultMetricsPort
	}
	return w.MetricsPort
}

func newController(cfg *config.Autoscaler, t kubernetes.Target, d control.Driver, usage *advise.Recorder, logger *slog.Logger, registry prometheus.Registerer) (*control.Controller, error) {
	w := cfg.Workloads[slices.IndexFunc(cfg.Workloads, func(w config.ScaledWorkload) bool { return w.Name == t.Name })]
	numbers, err := source(cfg, w)
	if err != nil {
		return nil, err
	}
	opts := control.Options{
		Name: w.Name, Kind: control.Kind(w.Kind), API: apiConfig(w), Queue: queueConfig(w), Driver: d,
		Source: numbers, Clock: time.Now, Location: cfg.TimeZone.Location,
		Advisory: cfg.DryRun, Logger: logger, Registerer: registry, Usage: usage,
	}
	return control.New(opts)
}

// source asks the pods of a workload, or the Prometheus server that is named.
func source(cfg *config.Autoscaler, w config.ScaledWorkload) (control.Source, error) {
	if cfg.PrometheusURL != "" {
		return signal.NewPrometheus(cfg.PrometheusURL, cfg.PrometheusToken.Reveal(), cfg.Namespace, time.Now, time.Second)
	}
	return signal.NewSource(signal.NewClient(cfg.PodsCA, w.Name+"."+cfg.Namespace+".svc"), time.Now, time.Second), nil
}
