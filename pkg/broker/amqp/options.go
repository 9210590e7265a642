package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bounds and defaults of [Options].
const (
	DefaultQueue      = "trivet"
	DefaultPartitions = 16
	MaxPartitions     = 256
)

// Options of [Open]. Server is required; every other zero value means the
// default.
type Options struct {
	// Server says where the server is and how to sign in. It is asked before
	// each connection, so that credentials and certificates may change.
	Server func(ctx context.Context) (Server, error)

	Logger     *slog.Logger          // nil: none
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now

	// Queue begins the names of everything on the server. Default "trivet".
	Queue string

	// Partitions is the number of queues, which is recorded on the server: it
	// cannot change once there are messages, since it decides in which queue
	// those of a key are. Default 16.
	Partitions int

	// Declare makes exchanges and queues that are missing. Without it they have
	// to be there.
	Declare bool

	// Classic makes queues of the older type, for servers that have no quorum
	// queues. They are on one node only and count no deliveries.
	Classic bool

	// DeliveryLimit is how often the server delivers a message, each time to a
	// process that ends or loses its connection before the verdict, until it
	// sets it aside. It has to be so high that no series of failures of
	// something else reaches it. Default 1000.
	DeliveryLimit int

	// MaxBytes bounds all queues together; above it Publish answers
	// broker.ErrFull. Default 4 GiB.
	MaxBytes int64

	// Prefetch is how many messages of each partition a process holds at most,
	// and how many one call of the handler gets. Default 64.
	Prefetch int

	// Window is how many messages are published before the first of them is
	// confirmed. Default 1000.
	Window int

	// ConfirmTimeout is how long a confirm may take; a connection on which one
	// takes longer is given up, and what it has not confirmed is published
	// again. Default 10 s.
	ConfirmTimeout time.Duration

	// AwayTimeout is for how long after the server has gone away, or has begun to
	// take nothing, calls of Publish wait for it. Later ones fail at once, so
	// that a server that is away for long does not fill its callers with calls
	// that wait. Default 2 s.
	AwayTimeout time.Duration

	// DialTimeout bounds an attempt to connect. Default 4 s.
	DialTimeout time.Duration

	// A connection that breaks is made again after ReconnectMin, then after
	// twice as long each time until ReconnectMax, with jitter; a message that
	// has to come again comes after such times too. Defaults 50 ms and 1 s.
	ReconnectMin, ReconnectMax time.Duration
	RetryMin, RetryMax         time.Duration

	// BalanceInterval is how often a process that consumes more than its share
	// of the partitions hands one over. Default 10 s.
	BalanceInterval time.Duration
}

// Server is where a RabbitMQ server is and how to sign in.
type Server struct {
	Addresses   []string // HOST:PORT of its nodes; any will do
	VirtualHost string
	User        string
	Password    string
	TLS         *tls.Config // nil: no TLS
}

func (o Options) withDefaults() (Options, error) {
	if o.Server == nil {
		return o, errors.New("the broker needs a server")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	orDefault(&o.Queue, DefaultQueue)
	orDefault(&o.Partitions, DefaultPartitions)
	orDefault(&o.DeliveryLimit, 1000)
	orDefault(&o.MaxBytes, 4<<30)
	orDefault(&o.Prefetch, 64)
	orDefault(&o.Window, 1000)
	orDefault(&o.ConfirmTimeout, 10*time.Second)
	orDefault(&o.AwayTimeout, 2*time.Second)
	orDefault(&o.DialTimeout, 4*time.Second)
	orDefault(&o.ReconnectMin, 50*time.Millisecond)
	orDefault(&o.ReconnectMax, time.Second)
	orDefault(&o.RetryMin, 50*time.Millisecond)
	orDefault(&o.RetryMax, time.Second)
	orDefault(&o.BalanceInterval, 10*time.Second)
	if o.Partitions < 1 || o.Partitions > MaxPartitions {
		return o, fmt.Errorf("there can be 1 to %d partitions, not %d", MaxPartitions, o.Partitions)
	}
	return o, nil
}

func orDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// backOff gives how long to wait after so many failures in a row: half to all
// of a time that doubles with each.
func backOff(failures int, least, most time.Duration) time.Duration {
	if failures <= 0 {
		return 0
	}
	wait := most
	if shift := failures - 1; shift < 32 && least<<shift < most {
		wait = least << shift
	}
	return wait/2 + rand.N(wait/2+1) //nolint:gosec // jitter
}

// sleep tells false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
