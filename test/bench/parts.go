package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/amqp"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// measureParts compares our own way of committing and of publishing with the
// plain one: a statement for each write, and a confirm at a time.
func measureParts(ctx context.Context, b *run) ([]row, error) {
	rows, err := measureGroupCommit(ctx, b)
	if err != nil {
		return nil, err
	}
	more, err := measureConfirms(ctx, b)
	return append(rows, more...), err
}

// commitKeys are the keys that writes are spread over.
const commitKeys = 20_000

func measureGroupCommit(ctx context.Context, b *run) (rows []row, err error) {
	server, err := testserver.StartPostgres(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.Close() }()
	var stores [2]*postgres.Store
	for i := range stores {
		database, err := server.CreateDatabase(ctx)
		if err != nil {
			return nil, err
		}
		s, err := postgres.Open(ctx, postgres.Options{URL: server.URL(database), MaxConns: 40, NoBatching: i == 1, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err
		}
		defer func() { _ = s.Close() }()
		stores[i] = s
		if err := fillDirectly(ctx, s); err != nil {
			return nil, err
		}
	}
	for _, c := range []struct {
		writers int
		least   float64
	}{{1, 0.95}, {16, 0.95}, {50, 0}, {256, 3}} {
		name := fmt.Sprintf("group commit, %d writers", c.writers)
		rates, err := b.taking(ctx, name, func(ctx context.Context, i int) (int64, error) {
			return closedLoop(ctx, c.writers, func(rng *rand.Rand) error {
				op := kv.Operation{Kind: kv.KindPut, Key: fmt.Sprintf("key %07d", rng.IntN(commitKeys)), Value: make([]byte, valueBytes)}
				_, err := stores[i].Apply(ctx, "bench", op, kv.Identity{})
				return err
			})
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var bound target
		if c.least > 0 {
			bound = ratioAtLeast(c.least)
		}
		rows = append(rows, newRow(name, "writes/s", rates[0], rates[1], "one statement for each write", bound,
			"the store on PostgreSQL called directly, %d writers in a closed loop, values of %d bytes, %d keys chosen at random, batching on and off in turns, %d × %v each, medians",
			c.writers, valueBytes, commitKeys, b.plan.rounds, b.plan.duration))
	}
	return rows, nil
}

func fillDirectly(ctx context.Context, s *postgres.Store) error {
	ops := make([]kv.Operation, kv.MaxBatchOperations)
	for first := 0; first < commitKeys; first += len(ops) {
		for i := range ops {
			ops[i] = kv.Operation{Kind: kv.KindPut, Key: fmt.Sprintf("key %07d", first+i), Value: make([]byte, valueBytes)}
		}
		if _, err := s.Batch(ctx, "bench", ops, kv.Identity{}); err != nil {
			return err
		}
	}
	return nil
}

// publishers is how many callers publish at once, as requests to the API would.
const publishers = 1000

func measureConfirms(ctx context.Context, b *run) ([]row, error) {
	server, err := testserver.StartRabbitMQ(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.Close() }()
	address, err := url.Parse(server.URL())
	if err != nil {
		return nil, err
	}
	password, _ := address.User.Password()
	signIn := amqp.Server{Addresses: []string{address.Host}, VirtualHost: "/", User: address.User.Username(), Password: password}
	var queues [2]*amqp.Broker
	var published [2]int64
	for i := range queues {
		queues[i], err = amqp.Open(ctx, amqp.Options{
			Server:  func(context.Context) (amqp.Server, error) { return signIn, nil },
			Queue:   fmt.Sprintf("bench%d", i),
			Declare: true,
		})
		if err != nil {
			return nil, err
		}
		defer func() { _ = queues[i].Close() }()
	}
	rates, err := b.taking(ctx, "asynchronous PUT", func(ctx context.Context, i int) (int64, error) {
		callers := publishers
		if i == 1 {
			callers = 1
		}
		n, err := closedLoop(ctx, callers, func(rng *rand.Rand) error {
			m := broker.Message{ID: fmt.Sprint(rng.Uint64()), Key: fmt.Sprint(rng.IntN(commitKeys)), Body: make([]byte, valueBytes)}
			return queues[i].Publish(ctx, m)
		})
		published[i] += n
		return n, err
	})
	if err != nil {
		return nil, err
	}
	stats, err := queues[0].Stats(ctx)
	if err != nil {
		return nil, err
	}
	method := fmt.Sprintf("the queue on RabbitMQ called directly, bodies of %d bytes, %d callers whose confirms are pipelined against one that waits for each, %d × %v each in turns, medians",
		valueBytes, publishers, b.plan.rounds, b.plan.duration)
	lost := max(published[0]-stats.Ready, 0)
	return []row{
		newRow("asynchronous PUT, pipelined confirms", "messages/s", rates[0], rates[1], "one confirm at a time", ratioAtLeast(20), "%s", method),
		newRow("asynchronous PUT, confirmed and lost", "messages", []float64{float64(lost)}, nil, "", oursAtMost(0), "%s; of %d that were confirmed", method, published[0]),
	}, nil
}

// taking measures two ways in turns and gives the rates of each.
func (b *run) taking(ctx context.Context, name string, measure func(ctx context.Context, i int) (int64, error)) (rates [2][]float64, err error) {
	for round := range b.plan.rounds + 1 {
		for i := range rates {
			length := b.plan.duration
			if round == 0 {
				length = b.plan.warmup
			}
			began := time.Now()
			limited, cancel := context.WithTimeout(ctx, length)
			n, err := measure(limited, i)
			cancel()
			if err != nil {
				return rates, err
			}
			if round == 0 {
				continue
			}
			rate := float64(n) / time.Since(began).Seconds()
			fmt.Fprintf(os.Stderr, "%-36s %-7s %8.0f/s\n", name, [2]string{"trivet", "plain"}[i], rate)
			rates[i] = append(rates[i], rate)
		}
	}
	return rates, nil
}

// closedLoop has callers do something one time after another until ctx ends, and
// counts. What the end of ctx cuts off does not count.
func closedLoop(ctx context.Context, callers int, do func(rng *rand.Rand) error) (int64, error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, callers)
	for i := range callers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano()))) //nolint:gosec // chooses keys
			for ctx.Err() == nil {
				switch err := do(rng); {
				case err == nil:
					done.Add(1)
				case ctx.Err() == nil:
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return done.Load(), nil
	}
}
