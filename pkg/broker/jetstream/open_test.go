package jetstream_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
)

func TestOneProcessAtATimeHasTheDirectory(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, options())
	_, err := jetstream.Open(dir, options())
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another process has it open") {
		t.Fatalf("got %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, options())
}

func TestADirectoryThatCannotBeUsedIsNamed(t *testing.T) {
	inTheWay := func(t *testing.T, path string) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, prepare := range map[string]func(t *testing.T) string{
		"a file": func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "queue")
			inTheWay(t, path)
			return path
		},
		"below a file": func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			inTheWay(t, path)
			return filepath.Join(path, "queue")
		},
		"a file where the server keeps its own": func(t *testing.T) string {
			dir := t.TempDir()
			inTheWay(t, filepath.Join(dir, "jetstream"))
			return dir
		},
		"read only": func(t *testing.T) string {
			if os.Geteuid() == 0 {
				t.Skip("permissions do not hold for root")
			}
			dir := filepath.Join(t.TempDir(), "queue")
			if err := os.Mkdir(dir, 0o500); err != nil {
				t.Fatal(err)
			}
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := prepare(t)
			b, err := jetstream.Open(dir, options())
			if err == nil {
				_ = b.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), dir) {
				t.Errorf("the error does not name the directory: %v", err)
			}
		})
	}
}

func TestAFullQueueRefusesUntilItIsWorkedOff(t *testing.T) {
	o := options()
	o.MaxBytes = 64 << 10
	b := open(t, t.TempDir(), o)
	publish := func(i int) error {
		return b.Publish(t.Context(), broker.Message{ID: fmt.Sprint(i), Key: "k", Body: make([]byte, 4<<10)})
	}
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = publish(n)
	}
	if !errors.Is(err, broker.ErrFull) || n < 10 || n > 20 {
		t.Fatalf("after %d messages of 4 KiB: %v, want ErrFull at 64 KiB", n, err)
	}
	if got := drain(t, b); len(got) != n-1 {
		t.Errorf("%d messages were confirmed and %d delivered", n-1, len(got))
	}
	if err := publish(n); err != nil {
		t.Errorf("it is still full: %v", err)
	}
}

// What is settled leaves the disk, but for the segment that is written to.
func TestSettledMessagesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, options())
	for i := range 60 {
		if err := b.Publish(t.Context(), broker.Message{ID: fmt.Sprint(i), Key: "k", Body: make([]byte, 1<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	before := len(files(t, dir, "meta.inf"))
	drain(t, b)
	eventually(t, "one segment is left", func() bool { return len(files(t, dir, "meta.inf")) == 1 })
	if before < 5 {
		t.Errorf("there were only %d segments to remove", before)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir, options())
	if got := drain(t, b); len(got) != 0 {
		t.Errorf("%d settled messages came again", len(got))
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	o := options()
	o.Registerer = registry
	dir := t.TempDir()
	b := open(t, dir, o)
	for i := range 3 {
		if err := b.Publish(t.Context(), broker.Message{ID: fmt.Sprint(i), Key: "k"}); err != nil {
			t.Fatal(err)
		}
	}
	want := `
# HELP trivet_broker_syncs_total Writes that were synced to disk; each holds the messages that were published together.
# TYPE trivet_broker_syncs_total counter
trivet_broker_syncs_total 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "trivet_broker_syncs_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "trivet_broker_confirm_seconds", "trivet_broker_queue_bytes"); err != nil || n != 2 {
		t.Errorf("%d of two metrics, %v", n, err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("the metrics are not well named: %v %v", problems, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, o) // the same registry takes the next one
}

func TestTheAgeOfTheOldestMessage(t *testing.T) {
	o := options()
	now := time.Now()
	o.Now = func() time.Time { return now }
	b := open(t, t.TempDir(), o)
	if err := b.Publish(t.Context(), broker.Message{ID: "i", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(90 * time.Second)
	st, err := b.Stats(t.Context())
	if err != nil || st.OldestAge.Round(time.Millisecond) != 90*time.Second {
		t.Errorf("got %v, %v; want 90 s", st.OldestAge, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, messages := range []int{0, 1000} {
		b.Run(fmt.Sprintf("messages=%d", messages), func(b *testing.B) {
			dir := b.TempDir()
			q, err := jetstream.Open(dir, jetstream.Options{})
			if err != nil {
				b.Fatal(err)
			}
			batch := make([]broker.Message, messages)
			if err := q.Publish(b.Context(), batch...); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				if err := q.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if q, err = jetstream.Open(dir, jetstream.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			_ = q.Close()
		})
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, publishers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("publishers=%d", publishers), func(b *testing.B) {
			q, err := jetstream.Open(b.TempDir(), jetstream.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = q.Close() }()
			b.SetParallelism(publishers) // times GOMAXPROCS
			m := broker.Message{ID: "0123456789abcdefghjkmnpqrs", Key: "orders\x00key", Body: make([]byte, 200)}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := q.Publish(b.Context(), m); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
