package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/telemetry"
)

// store answers one error to every call; what it does not override panics.
type store struct {
	telemetry.Store
	err error
}

func (s store) Get(context.Context, string, string, kv.ReadOptions) (kv.Entry, error) {
	return kv.Entry{Version: 7}, s.err
}
func (s store) Sweep(context.Context, int) (int, error) { return 3, s.err }

// fakeCache finds what it is told to find.
type fakeCache struct {
	cache.Cache
	found cache.Lookup
}

func (c *fakeCache) Read(context.Context, cache.Key) (cache.Lookup, error) { return c.found, nil }

// fakeBroker keeps its handler and fails when it is told to.
type fakeBroker struct {
	broker.Broker
	err     error
	handler broker.Handler
}

func (b *fakeBroker) Publish(context.Context, ...broker.Message) error { return b.err }
func (b *fakeBroker) Stats(context.Context) (broker.Stats, error) {
	return broker.Stats{Ready: 1, Unsettled: 2, Dead: 3, OldestAge: 4 * time.Second}, b.err
}
func (b *fakeBroker) Subscribe(h broker.Handler) (broker.Subscription, error) {
	b.handler = h
	return nil, nil
}

// has holds the lines of an exposition against those that are wanted.
func has(t *testing.T, gatherer prometheus.Gatherer, lines ...string) {
	t.Helper()
	families, err := gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range lines {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("missing: %s\nin:\n%s", line, text.String())
		}
	}
}

func TestStoreCallsAreCountedByCode(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	failing := &store{}
	s := telemetry.InstrumentStore(failing, registry)
	if entry, err := s.Get(t.Context(), "ns", "key", kv.ReadOptions{}); err != nil || entry.Version != 7 {
		t.Fatal(entry, err)
	}
	failing.err = kv.ErrNotFound
	if _, err := s.Get(t.Context(), "ns", "key", kv.ReadOptions{}); !errors.Is(err, kv.ErrNotFound) {
		t.Fatal(err)
	}
	failing.err = errors.New("disk on fire")
	if n, err := s.Sweep(t.Context(), 10); n != 3 || err == nil {
		t.Fatal(n, err)
	}
	has(t, registry,
		`trivet_store_calls_total{call="get",code="ok"} 1`,
		`trivet_store_calls_total{call="get",code="not_found"} 1`,
		`trivet_store_calls_total{call="sweep",code="internal"} 1`,
		`trivet_store_call_seconds_count{call="get"} 2`,
	)
}

// grouper is a store that commits puts in groups, and nothing else.
type grouper struct {
	store
	around kv.Bracket
}

func (g *grouper) Bracket(around kv.Bracket) { g.around = around }

func (g *grouper) PutGrouped(_ context.Context, _ string, op kv.Operation, _ kv.Identity) (kv.Result, bool, error) {
	return kv.Result{Version: 9}, op.Kind == kv.KindPut, nil
}

func TestPutsInGroupsAreCountedWhereTheyAreMade(t *testing.T) {
	t.Parallel()
	if _, groups := telemetry.InstrumentStore(&store{}, nil).(kv.PutGrouper); groups {
		t.Error("a store that commits no groups pretends to")
	}
	registry := prometheus.NewRegistry()
	inner := &grouper{}
	s, groups := telemetry.InstrumentStore(inner, registry).(kv.PutGrouper)
	if !groups {
		t.Fatal("a store that commits groups no longer does")
	}
	if s.Bracket(func([]*kv.GroupedPut, func()) {}); inner.around == nil {
		t.Error("the steps around groups did not reach the store")
	}
	if res, grouped, err := s.PutGrouped(t.Context(), "ns", kv.Operation{Kind: kv.KindPut}, kv.Identity{}); !grouped || err != nil || res.Version != 9 {
		t.Error(res, grouped, err)
	}
	if _, grouped, _ := s.PutGrouped(t.Context(), "ns", kv.Operation{Kind: kv.KindDelete}, kv.Identity{}); grouped {
		t.Error("a delete is grouped")
	}
	has(t, registry, `trivet_store_calls_total{call="put",code="ok"} 1`)
}

func TestBudgetOfAnInstrumentedRead(t *testing.T) { // not parallel: others would be counted too
	s := telemetry.InstrumentStore(store{}, prometheus.NewRegistry())
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.Get(ctx, "ns", "key", kv.ReadOptions{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWithoutARegistererNothingIsRegistered(t *testing.T) {
	t.Parallel()
	s := telemetry.InstrumentStore(store{}, nil)
	if _, err := s.Get(t.Context(), "ns", "key", kv.ReadOptions{}); err != nil {
		t.Fatal(err)
	}
	telemetry.InstrumentCache(&fakeCache{}, nil)
	telemetry.InstrumentBroker(&fakeBroker{}, nil)
}

func TestCacheReadsAreCountedByWhatTheyFound(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	fake := &fakeCache{}
	c := telemetry.InstrumentCache(fake, registry)
	for _, found := range []cache.Lookup{{Found: true}, {Found: true}, {Lease: 1}, {}} {
		fake.found = found
		if got, err := c.Read(t.Context(), cache.Key{}); err != nil || got.Found != found.Found {
			t.Fatal(got, err)
		}
	}
	has(t, registry,
		`trivet_cache_reads_total{found="hit"} 2`,
		`trivet_cache_reads_total{found="lease"} 1`,
		`trivet_cache_reads_total{found="busy"} 1`,
		`trivet_cache_calls_total{call="read",code="ok"} 4`,
	)
}

func TestBrokerMessagesAreCountedByOutcome(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	fake := &fakeBroker{}
	b := telemetry.InstrumentBroker(fake, registry)
	if err := b.Publish(t.Context(), broker.Message{}, broker.Message{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Subscribe(func(context.Context, []broker.Delivery) []broker.Verdict {
		return []broker.Verdict{broker.Ack(), broker.DeadLetter("no use")}
	}); err != nil {
		t.Fatal(err)
	}
	verdicts := fake.handler(t.Context(), []broker.Delivery{{Attempt: 1}, {Attempt: 2}, {Attempt: 1}})
	if len(verdicts) != 2 {
		t.Errorf("verdicts: %v", verdicts)
	}
	has(t, registry,
		`trivet_broker_published_messages_total{code="ok"} 2`,
		`trivet_broker_handled_messages_total{verdict="ack"} 1`,
		`trivet_broker_handled_messages_total{verdict="dead_letter"} 1`,
		`trivet_broker_handled_messages_total{verdict="retry"} 1`,
		`trivet_broker_redelivered_messages_total 1`,
		`trivet_broker_up 1`,
		`trivet_broker_ready_messages 1`,
		`trivet_broker_unsettled_messages 2`,
		`trivet_broker_dead_messages 3`,
		`trivet_broker_oldest_message_seconds 4`,
	)

	fake.err = kv.Errorf(kv.CodeUnavailable, "gone")
	if err := b.Publish(t.Context(), broker.Message{}); err == nil {
		t.Error("the failure was lost")
	}
	has(t, registry, `trivet_broker_published_messages_total{code="unavailable"} 1`, `trivet_broker_up 0`)
}

func TestTheRegistryTellsOfRuntimeProcessAndBuild(t *testing.T) {
	t.Parallel()
	families, err := telemetry.NewRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes", telemetry.MetricBuildInfo} {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestLogLinesHaveTheFormAndLevelThatWasAskedFor(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	logger := telemetry.NewLogger(&out, slog.LevelWarn, config.LogJSON)
	logger.Info("left out")
	logger.Warn("kept", "n", 1)
	if line := out.String(); strings.Contains(line, "left out") || !strings.Contains(line, `"msg":"kept","n":1}`) {
		t.Errorf("json: %s", line)
	}
	out.Reset()
	telemetry.NewLogger(&out, slog.LevelDebug, config.LogText).Debug("kept")
	if line := out.String(); !strings.Contains(line, "level=DEBUG msg=kept") {
		t.Errorf("text: %s", line)
	}
}
