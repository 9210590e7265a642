package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"

	"github.com/trivetkv/trivet/services/autoscaler/control"
)

// Times of the leader's Lease. Another replica takes over within LeaseDuration
// and one RetryPeriod, which client-go stretches to 2.2 of it, at once after an
// orderly stop.
const (
	LeaseDuration = 9 * time.Second
	RenewDeadline = 6 * time.Second
	RetryPeriod   = time.Second
)

// saveEvery is how often what was learned is stored, and lastSave how long that
// may take at the end.
const (
	saveEvery = 5 * time.Minute
	lastSave  = 5 * time.Second
)

// Options are what a manager needs.
type Options struct {
	Client    kubernetes.Interface
	Namespace string // of the Deployments, the Lease and the ConfigMap
	Identity  string // of this process among its like
	Name      string // of the Lease and the ConfigMap
	Targets   []Target
	// Controllers makes the controller of a target on its driver.
	Controller func(Target, control.Driver) (*control.Controller, error)
	Logger     *slog.Logger
}

// Manager runs controllers in a cluster while this process is the leader. It is
// a lifecycle.Service.
type Manager struct {
	opts        Options
	factory     informers.SharedInformerFactory
	controllers []*control.Controller
	store       *store
	leading     atomic.Bool

	mu     sync.Mutex
	work   context.Context    // of whoever leads
	rest   context.CancelFunc // ends it; the Lease is still held
	cancel context.CancelFunc // ends the candidacy, and gives the Lease back
	term   chan struct{}      // holds a token while somebody leads
	done   chan struct{}
	closed bool
	events record.EventBroadcaster
}

// New makes a manager.
func New(opts Options) (*Manager, error) {
	m := &Manager{
		opts:    opts,
		factory: informers.NewSharedInformerFactoryWithOptions(opts.Client, 0, informers.WithNamespace(opts.Namespace)),
		store:   &store{client: opts.Client, namespace: opts.Namespace, name: opts.Name + "-state"},
		events:  record.NewBroadcaster(),
		term:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	recorder := m.events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: opts.Name})
	deployments, pods := m.factory.Apps().V1().Deployments(), m.factory.Core().V1().Pods()
	for _, target := range opts.Targets {
		c, err := opts.Controller(target, newDriver(target, opts.Client, deployments.Lister(), pods.Lister(), recorder))
		if err != nil {
			return nil, err
		}
		m.controllers = append(m.controllers, c)
	}
	// The listers' informers have to be asked for before the factory starts.
	deployments.Informer()
	pods.Informer()
	return m, nil
}

// Controllers gives the controllers.
func (m *Manager) Controllers() []*control.Controller { return m.controllers }

// Leading tells whether this process is the one that decides.
func (m *Manager) Leading() bool { return m.leading.Load() }

// Start starts the watches and stands for election.
func (m *Manager) Start(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cancel != nil || m.closed {
		return nil
	}
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: m.opts.Namespace, Name: m.opts.Name},
		Client:     m.opts.Client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: m.opts.Identity},
	}
	config := leaderelection.LeaderElectionConfig{
		Lock: lock, Name: m.opts.Name, ReleaseOnCancel: true,
		LeaseDuration: LeaseDuration, RenewDeadline: RenewDeadline, RetryPeriod: RetryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: m.lead, OnStoppedLeading: func() {}},
	}
	if _, err := leaderelection.NewLeaderElector(config); err != nil {
		return fmt.Errorf("the election: %w", err)
	}
	ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.work, m.rest = context.WithCancel(ctx)
	m.events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: m.opts.Client.CoreV1().Events(m.opts.Namespace)})
	m.factory.Start(ctx.Done())
	go m.stand(ctx, config)
	return nil
}

// stand stands for election, again and again: a leader that could not renew its
// Lease, for the API server being away, becomes one of the others.
func (m *Manager) stand(ctx context.Context, config leaderelection.LeaderElectionConfig) {
	defer close(m.done)
	for ctx.Err() == nil {
		// An elector is good for one term. Its configuration has been checked.
		elector, err := leaderelection.NewLeaderElector(config)
		if err != nil {
			m.opts.Logger.Error("the election cannot be held", "error", err)
			return
		}
		elector.Run(ctx)
	}
}

// lead runs the controllers until the Lease is lost or the manager stops. What
// the leader before has learned is restored first, so that a change of leaders
// changes nothing by itself; what was learned is stored before the Lease is
// given back, and not at all once it is somebody else's.
func (m *Manager) lead(elected context.Context) {
	select {
	case m.term <- struct{}{}:
	case <-elected.Done():
		return
	}
	defer func() { <-m.term }()
	ctx, cancel := context.WithCancel(elected)
	defer cancel()
	defer context.AfterFunc(m.work, cancel)()

	m.opts.Logger.Info("leading")
	for _, synced := range m.factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return
		}
	}
	for !m.restore(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(RetryPeriod):
		}
	}
	m.leading.Store(true)
	defer m.leading.Store(false)
	var group sync.WaitGroup
	for _, c := range m.controllers {
		group.Go(func() { m.run(ctx, c) })
	}
	group.Go(func() { m.keep(ctx) })
	group.Wait()
	if elected.Err() == nil {
		last, end := context.WithTimeout(elected, lastSave)
		defer end()
		m.save(last)
	}
	m.opts.Logger.Info("no longer leading")
}

// run lets a controller step once an interval.
func (m *Manager) run(ctx context.Context, c *control.Controller) {
	ticker := time.NewTicker(c.Interval())
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := c.Step(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, control.ErrConflict):
			m.opts.Logger.Info("looking again", "workload", c.Name(), "reason", err)
		default:
			m.opts.Logger.Warn("a step failed; the size stays", "workload", c.Name(), "error", err)
		}
	}
}

// keep stores what was learned now and then.
func (m *Manager) keep(ctx context.Context) {
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.save(ctx)
		}
	}
}

func (m *Manager) save(ctx context.Context) {
	states := make(map[string][]byte, len(m.controllers))
	for _, c := range m.controllers {
		state, err := c.State()
		if err != nil {
			m.opts.Logger.Error("what was learned cannot be written", "workload", c.Name(), "error", err)
			continue
		}
		states[c.Name()] = state
	}
	if err := m.store.save(ctx, states); err != nil {
		m.opts.Logger.Warn("what was learned is not stored", "error", err)
	}
}

// restore tells whether the stored state could be asked for. A state that
// cannot be used is left: learning begins anew, and nothing shrinks meanwhile.
func (m *Manager) restore(ctx context.Context) bool {
	for _, c := range m.controllers {
		state, err := m.store.load(ctx, c.Name())
		if err != nil {
			m.opts.Logger.Warn("what was learned cannot be read yet", "error", err)
			return false
		}
		if state == nil {
			continue
		}
		if err := c.Restore(state); err != nil {
			m.opts.Logger.Warn("what was learned cannot be used", "workload", c.Name(), "error", err)
		}
	}
	return true
}

// Stop ends the work, stores what was learned, gives the Lease back, and waits
// until nothing runs any more.
func (m *Manager) Stop(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	rest, cancel := m.rest, m.cancel
	m.rest, m.cancel = nil, nil
	m.mu.Unlock()
	if cancel == nil {
		return nil
	}
	rest()
	var err error
	select {
	case m.term <- struct{}{}: // kept: nobody leads any more, and nobody will
	case <-ctx.Done():
		err = fmt.Errorf("stop the autoscaler: what was learned may not be stored: %w", ctx.Err())
	}
	cancel()
	select {
	case <-m.done:
	case <-ctx.Done():
		return fmt.Errorf("stop the autoscaler: %w", ctx.Err())
	}
	m.events.Shutdown()
	m.factory.Shutdown()
	return err
}
