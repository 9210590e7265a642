package epoch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/lifecycle"
)

// Defaults of [Options].
const (
	DefaultBound   = 3 * time.Second
	DefaultTimeout = time.Second
)

const (
	// pollInterval is how often the database is asked for the epoch, and
	// the shortest time between two epochs that this process raises.
	pollInterval = time.Second

	// cutOffAfter is how long a process may miss a cache that others reach
	// before it should get no requests.
	cutOffAfter = 10 * time.Second
)

// Primary is the shared cache as the keeper sees it.
type Primary interface {
	// Probe gives the name of the state that the cache holds: another name when
	// it may have lost anything. An error means that it is out of reach.
	Probe(ctx context.Context) (string, error)
}

// Options of a [Keeper]. The zero value is useful but for Logger.
type Options struct {
	Bound   time.Duration         // how old an answer may be after a loss, above 1 s; 0: DefaultBound
	Timeout time.Duration         // of one call of the database or the cache; 0: DefaultTimeout
	Now     func() time.Time      // monotonic time; nil: time.Now
	Metrics prometheus.Registerer // nil registers nothing
	Logger  *slog.Logger
}

// Keeper follows the epoch and raises it when the cache may have lost
// something. It is a lifecycle.Service.
type Keeper struct {
	*lifecycle.Loop

	store   Store
	primary Primary
	opts    Options
	process string
	metrics *metrics
	poke    chan struct{}
	current atomic.Pointer[view]

	raising              chan struct{} // holds a token while the epoch is raised
	moved                time.Time     // when this process raised the epoch for another state
	wasAway              bool          // the cache was out of reach, and the epoch has to be raised for it
	lostCache, lostEpoch bool          // used by turn alone
	reached              atomic.Int64  // when the cache last answered, in ns since started
	reaching             atomic.Int64  // processes other than this one that reach the cache
	started              time.Time
}

// view is what was learned by one call of the database. Its times are this
// process's own: the database's clock may be set.
type view struct {
	epoch     Epoch
	asked     time.Time // before the call
	answered  time.Time // after it
	seen      time.Time // when this process first knew the number: it was raised before
	notBefore time.Time // it was raised after this; zero: not known
}

// NewKeeper makes a keeper, which knows no epoch before Start.
func NewKeeper(store Store, primary Primary, opts Options) (*Keeper, error) {
	if opts.Bound <= 0 {
		opts.Bound = DefaultBound
	}
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	k := &Keeper{
		store: store, primary: primary, opts: opts,
		process: rand.Text(),
		poke:    make(chan struct{}, 1),
		raising: make(chan struct{}, 1),
		started: opts.Now(),
	}
	var err error
	if k.metrics, err = newMetrics(opts.Metrics, k); err != nil {
		return nil, err
	}
	k.Loop = lifecycle.NewLoop(k.run)
	return k, nil
}

// Bound gives how old an answer may be after a loss.
func (k *Keeper) Bound() time.Duration { return k.opts.Bound }

// Writable gives the epoch under which steps of writes are made, and the state
// of the cache that it is for. It is false while this process does not know the
// epoch.
func (k *Keeper) Writable() (number int64, primary string, ok bool) {
	v := k.current.Load()
	if v == nil || !k.fresh(v, k.opts.Now()) {
		return 0, "", false
	}
	return v.epoch.Number, v.epoch.Primary, true
}

// Readable is Writable for steps of reads: it is false, too, while another
// process may still use a former epoch.
func (k *Keeper) Readable() (number int64, primary string, ok bool) {
	v := k.current.Load()
	if v == nil {
		return 0, "", false
	}
	now := k.opts.Now()
	if !k.fresh(v, now) || now.Sub(v.seen) < k.opts.Bound {
		return 0, "", false
	}
	return v.epoch.Number, v.epoch.Primary, true
}

// Refresh returns nil when the epoch is known, and asks the database now when it
// is not. A process that could not ask for a while, or did not run, so makes the
// steps of its next write as if nothing had been, and no cache counts as lost.
func (k *Keeper) Refresh(ctx context.Context) error {
	if _, _, known := k.Writable(); known {
		return nil
	}
	if err := k.beginRaise(ctx); err != nil {
		return err
	}
	defer k.endRaise()
	if _, _, known := k.Writable(); known {
		return nil // another write has asked
	}
	_, err := k.ask(ctx, k.reachesNow())
	return err
}

// fresh tells that the epoch was the current one less than the bound ago.
func (k *Keeper) fresh(v *view, now time.Time) bool { return now.Sub(v.asked) < k.opts.Bound }

// unread gives for how long nobody is going to read under the epoch, at least:
// whoever reads has known it for a bound, and so later than a bound after it
// was raised.
func (k *Keeper) unread(v *view, now time.Time) time.Duration {
	if v == nil || !k.fresh(v, now) {
		return 0
	}
	return k.opts.Bound - now.Sub(v.notBefore)
}

// covers tells that the epoch is so young that it need not be raised again.
func (k *Keeper) covers(v *view, now time.Time) bool {
	return k.unread(v, now) > k.opts.Bound-pollInterval
}

// Poke has the cache looked at now rather than at the next poll.
func (k *Keeper) Poke() {
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

// Cover makes up for a step of a write that could not be confirmed: when it
// returns nil, what the cache held until then, and what is put into it before
// the write is acknowledged, is read by nobody who has to see the write. It
// raises the epoch unless that was done less than a second ago.
func (k *Keeper) Cover(ctx context.Context, cause error) error {
	k.Poke()
	if k.covers(k.current.Load(), k.opts.Now()) {
		return nil
	}
	if err := k.beginRaise(ctx); err != nil {
		return err
	}
	defer k.endRaise()
	v := k.current.Load()
	if k.covers(v, k.opts.Now()) {
		return nil // another write's raise covers this one
	}
	var err error
	if v == nil || !k.fresh(v, k.opts.Now()) {
		if v, err = k.ask(ctx, k.reachesNow()); err != nil {
			return err
		}
	}
	if v, err = k.raise(ctx, v.epoch, v.epoch.Primary, "a write could not be confirmed", cause); err != nil {
		return err
	}
	if k.unread(v, k.opts.Now()) <= 0 {
		return errors.New("raise the cache epoch: it took too long")
	}
	return nil
}

// beginRaise lets one raise be made at a time.
func (k *Keeper) beginRaise(ctx context.Context) error {
	select {
	case k.raising <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("raise the cache epoch: %w", ctx.Err())
	}
}

func (k *Keeper) endRaise() { <-k.raising }

// raise goes one epoch further than from, or takes the one that another process
// has raised.
func (k *Keeper) raise(ctx context.Context, from Epoch, primary, reason string, cause error) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, k.opts.Timeout)
	defer cancel()
	asked := k.opts.Now()
	epoch, err := k.store.RaiseEpoch(ctx, from.Number, primary)
	if err != nil {
		k.metrics.failures.Inc()
		return nil, fmt.Errorf("raise the cache epoch: %w", err)
	}
	if epoch.Number == from.Number+1 {
		k.metrics.raises.Inc()
		k.opts.Logger.Warn("the cache epoch was raised: what the cache held is not used any more",
			"epoch", epoch.Number, "reason", reason, "error", cause)
	}
	v := &view{epoch: epoch, asked: asked, answered: k.opts.Now()}
	if epoch.Age <= v.answered.Sub(asked) {
		v.notBefore = asked // it was raised during the call
	}
	return k.learn(v), nil
}

// ask polls the database.
func (k *Keeper) ask(ctx context.Context, reaches bool) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, k.opts.Timeout)
	defer cancel()
	asked := k.opts.Now()
	epoch, err := k.store.PollEpoch(ctx, k.process, reaches)
	if err != nil {
		k.metrics.failures.Inc()
		return nil, fmt.Errorf("read the cache epoch: %w", err)
	}
	k.reaching.Store(int64(epoch.Reaching))
	return k.learn(&view{epoch: epoch, asked: asked, answered: k.opts.Now()}), nil
}

// learn keeps what is newest and gives it.
func (k *Keeper) learn(v *view) *view {
	for {
		known := k.current.Load()
		next := *v
		next.seen = v.answered
		switch {
		case known == nil:
		case known.epoch.Number > v.epoch.Number || known.epoch.Number == v.epoch.Number && known.asked.After(v.asked):
			return known
		case known.epoch.Number == v.epoch.Number:
			next.seen, next.notBefore = known.seen, known.notBefore
		case next.notBefore.IsZero():
			next.notBefore = known.asked // the former number still stood then
		}
		if k.current.CompareAndSwap(known, &next) {
			return &next
		}
	}
}

// Start learns the epoch and looks at the cache before it returns, so that the
// process begins with what is known; neither has to answer.
func (k *Keeper) Start(ctx context.Context) error {
	k.turn(ctx)
	return k.Loop.Start(ctx)
}

func (k *Keeper) run(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-k.poke:
		}
		k.turn(ctx)
	}
}

// turn looks at the cache, tells the database, and raises the epoch when the
// cache is not in the state that the epoch is for.
func (k *Keeper) turn(ctx context.Context) {
	state, unreachable := k.probe(ctx)
	if unreachable == nil {
		if k.away() >= k.opts.Bound {
			k.wasAway = true
		}
		k.reached.Store(int64(k.opts.Now().Sub(k.started)))
	}
	k.note(&k.lostCache, unreachable, "the cache is out of reach")
	v, err := k.ask(ctx, unreachable == nil)
	k.note(&k.lostEpoch, err, "the cache is not used while its epoch is not known")
	switch {
	case err != nil || unreachable != nil:
	case state != v.epoch.Primary:
		k.moveTo(ctx, v, state, "the cache is another one, or was started again")
	case k.wasAway:
		k.moveTo(ctx, v, state, "the cache was out of reach")
	}
}

// moveTo raises the epoch for another state of the cache. Processes that see
// different primaries raise it against each other, each once a second, and so
// none of them uses what it sees.
func (k *Keeper) moveTo(ctx context.Context, v *view, state, reason string) {
	if k.beginRaise(ctx) != nil {
		return // at the next turn
	}
	defer k.endRaise()
	now := k.opts.Now()
	if !k.moved.IsZero() && now.Sub(k.moved) < pollInterval {
		return // at the next turn
	}
	if _, err := k.raise(ctx, v.epoch, state, reason, nil); err != nil {
		return // at the next turn
	}
	k.moved, k.wasAway = now, false
}

// note logs when something begins to fail and when it works again.
func (k *Keeper) note(failing *bool, err error, text string) {
	switch {
	case err != nil && !*failing:
		k.opts.Logger.Warn(text, "error", err)
	case err == nil && *failing:
		k.opts.Logger.Info("no longer: " + text)
	}
	*failing = err != nil
}

func (k *Keeper) probe(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, k.opts.Timeout)
	defer cancel()
	return k.primary.Probe(ctx)
}

// away gives for how long the cache has not answered.
func (k *Keeper) away() time.Duration {
	return k.opts.Now().Sub(k.started) - time.Duration(k.reached.Load())
}

func (k *Keeper) reachesNow() bool { return k.away() <= k.opts.Timeout+pollInterval }

// CutOff tells that this process has not reached the cache for ten seconds
// while others do, so that requests are better off elsewhere.
func (k *Keeper) CutOff() bool { return k.away() >= cutOffAfter && k.reaching.Load() > 0 }
