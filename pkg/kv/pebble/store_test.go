package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

func open(t testing.TB, dir string, opts pebble.Options) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(dir, opts)
	if err != nil {
		t.Fatalf("open %s: %v", dir, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func put(t testing.TB, s kv.Store, ns, key, value string) kv.Version {
	t.Helper()
	res, err := s.Apply(context.Background(), ns, kv.Operation{Kind: kv.KindPut, Key: key, Value: []byte(value)}, kv.Identity{})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return res.Version
}

func get(t testing.TB, s kv.Store, ns, key string) string {
	t.Helper()
	e, err := s.Get(context.Background(), ns, key, kv.ReadOptions{})
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return string(e.Value)
}

func TestWritesOutliveAReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := put(t, s, "a", "k", "v")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, pebble.Options{})
	if got := get(t, s, "a", "k"); got != "v" {
		t.Errorf("got %q", got)
	}
	if v2 := put(t, s, "a", "k", "w"); v2 <= v {
		t.Errorf("version %d after %d", v2, v)
	}
}

func TestAClosedStoreAnswersNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t, "store", pebble.Options{FS: vfs.NewMem()})
	waiting := make(chan error, 1)
	go func() { waiting <- s.Await(ctx, "ns", 0) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := s.Get(ctx, "ns", "k", kv.ReadOptions{})
	for what, err := range map[string]error{
		"put": tryPut(ctx, s, "k", "v"), "get": getErr, "ping": s.Ping(ctx), "await": <-waiting,
	} {
		if !isUnavailable(err, "the store is closed") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestNobodySeesWhatIsNotDurable holds up the sync of the log: until it is
// done, no call may show the write.
func TestNobodySeesWhatIsNotDurable(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _, f := faulty(t)
	put(t, s, "ns", "k", "1")
	put(t, s, "ns", "other", "1")
	before, err := s.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	syncing, release := make(chan struct{}, 100), make(chan struct{})
	f.set(nil)
	f.hold(func(op errorfs.Op) {
		if strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
			syncing <- struct{}{}
			<-release
		}
	})
	written := make(chan error, 1)
	go func() { written <- tryPut(ctx, s, "k", "2") }()
	<-syncing

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if e, err := s.Get(short, "ns", "k", kv.ReadOptions{}); err == nil && string(e.Value) != "1" {
		t.Errorf("get showed %q", e.Value)
	}
	if page, err := s.List(short, "ns", kv.ListQuery{Limit: 10, Values: true}); err == nil {
		for _, e := range page.Entries {
			if string(e.Value) != "1" {
				t.Errorf("list showed %q", e.Value)
			}
		}
	}
	if page, err := s.History(short, "ns", "k", kv.HistoryQuery{Limit: 10}); err == nil && len(page.Versions) != 1 {
		t.Errorf("history showed %d versions", len(page.Versions))
	}
	if page, err := s.Changes(ctx, "ns", kv.ChangeQuery{Limit: 10}); err != nil || len(page.Changes) != 2 || page.Next != before {
		t.Errorf("changes showed %+v, %v", page, err)
	}
	if head, err := s.Head(ctx); err != nil || head != before {
		t.Errorf("head is %d, %v", head, err)
	}
	if got := get(t, s, "ns", "other"); got != "1" {
		t.Errorf("another key is %q", got)
	}
	select {
	case err := <-written:
		t.Errorf("the write was acknowledged: %v", err)
	default:
	}

	f.hold(nil)
	close(release)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "ns", "k"); got != "2" {
		t.Errorf("read %q after the acknowledgement", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnAbandonedWriteHarmsNobody(t *testing.T) {
	t.Parallel()
	s := open(t, "store", pebble.Options{FS: vfs.NewMem()})
	errs := make(chan error)
	for i := range 200 {
		go func() {
			ctx, cancel := context.WithCancel(context.Background())
			if i%2 == 0 {
				cancel()
			}
			errs <- tryPut(ctx, s, fmt.Sprint("k", i), "v")
			cancel()
		}()
	}
	failed := 0
	for range 200 {
		if err := <-errs; errors.Is(err, context.Canceled) {
			failed++
		} else if err != nil {
			t.Error(err)
		}
	}
	if failed != 100 {
		t.Errorf("%d writes were abandoned, %d failed", 100, failed)
	}
}

func TestADirectoryOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("format", func(t *testing.T) {
		t.Parallel()
		mem := closedStore(t)
		db, err := lsm.Open("store", &lsm.Options{FS: mem, FormatMajorVersion: lsm.FormatNewest})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Set([]byte("mf"), []byte{2}, lsm.Sync); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := pebble.Open("store", pebble.Options{FS: mem}); !isUnavailable(err, "store: the directory was written by a newer version (format 2") {
			t.Errorf("open: %v", err)
		}
	})
	t.Run("format of the tables", func(t *testing.T) {
		t.Parallel()
		mem := closedStore(t)
		names, err := mem.List("store")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, "marker.format-version.") {
				newer := name[:strings.LastIndex(name, ".")] + ".999"
				if err := mem.Rename("store/"+name, "store/"+newer); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := pebble.Open("store", pebble.Options{FS: mem}); !isUnavailable(err, "store was written by a newer version") {
			t.Errorf("open: %v", err)
		}
	})
}

// closedStore gives the files of a store that was closed.
func closedStore(t *testing.T) *vfs.MemFS {
	t.Helper()
	mem := vfs.NewMem()
	s := open(t, "store", pebble.Options{FS: mem})
	put(t, s, "ns", "k", "v")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return mem
}

func TestACleanCloseLeavesNoLogToReplay(t *testing.T) {
	t.Parallel()
	mem := closedStore(t)
	if n := size(t, mem, newestLog(t, mem)); n > 32 {
		t.Errorf("the log has %d bytes", n)
	}
}

// TestBudgetOfAGet holds the budget of the hot path.
func TestBudgetOfAGet(t *testing.T) {
	s := open(t, "store", pebble.Options{FS: vfs.NewMem()})
	put(t, s, "ns", "k", strings.Repeat("v", 100))
	put(t, s, "ns", "large", strings.Repeat("v", 100_000))
	ctx := context.Background()
	for key, budget := range map[string]float64{"k": 3, "large": 5, "absent": 2} {
		allocations := testing.AllocsPerRun(1000, func() {
			_, _ = s.Get(ctx, "ns", key, kv.ReadOptions{})
		})
		t.Logf("%s: %v", key, allocations)
		if allocations > budget && !raceEnabled {
			t.Errorf("a get of %s allocates %v times, the budget is %v", key, allocations, budget)
		}
	}
}

func TestMetricsAreRegisteredWhileTheStoreIsOpen(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	for range 2 {
		s, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem(), Registerer: r})
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "ns", "k", "v")
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		found := make(map[string]float64)
		for _, f := range families {
			m := f.GetMetric()[0]
			found[f.GetName()] = m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
		}
		for _, name := range []string{"position", "disk_bytes", "log_bytes", "batch_requests", "commit_seconds"} {
			if found["trivet_store_"+name] <= 0 {
				t.Errorf("%s is missing or 0", name)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if families, err := r.Gather(); err != nil || len(families) != 0 {
		t.Errorf("%d metrics are left after the close, %v", len(families), err)
	}
}
