//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// bin is the directory of the programs.
var bin string

// TestMain builds the programs, once for all tests.
func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trivet-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing can be done about it
	for name, service := range map[string]string{"trivet-api": "./services/api", "trivet-consumer": "./services/consumer"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), service)
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
	}
	bin = dir
	return m.Run()
}

func TestNoPromiseIsBrokenWhateverIsAway(t *testing.T) {
	r, err := run(t.Context(), config{bin: bin, away: time.Second, seed: 1, logf: t.Logf})
	if r != nil && r.load != nil {
		t.Log(r)
	}
	if err != nil {
		t.Error(err)
	}
}

// The checks are worth what they find.

func change(position int, key string, number int) kv.Change {
	return kv.Change{Position: kv.Position(position), Version: kv.Version(position), Kind: kv.ChangePut, Key: key, Value: value(number)}
}

func TestAWatchThatIsWrongIsFound(t *testing.T) {
	t.Parallel()
	right := []kv.Change{change(1, "put/a", 1), change(2, "put/b", 1), change(3, "put/a", 2)}
	backwards := change(3, "put/a", 2)
	backwards.Version = 1
	for name, c := range map[string]struct {
		changes []kv.Change
		want    string
	}{
		"right":     {right, ""},
		"repeated":  {append(right[:3:3], right...), ""},
		"a gap":     {[]kv.Change{right[0], right[2]}, "position 3 follows position 1"},
		"missing":   {[]kv.Change{right[0], right[1], change(3, "put/a", 3)}, "put 3 of put/a follows put 1"},
		"disorder":  {[]kv.Change{change(1, "put/a", 2), change(2, "put/a", 1)}, "put 2 of put/a follows put 0"},
		"twice":     {[]kv.Change{right[0], change(2, "put/a", 1)}, "put 1 of put/a was applied twice"},
		"backwards": {[]kv.Change{right[0], right[1], backwards}, "version 1 after version 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			w := newWatcher("watch", nil, l)
			for _, ch := range c.changes {
				w.take(ch)
			}
			expect(t, l, c.want)
		})
	}
}

func TestWhatIsStoredWrongIsFound(t *testing.T) {
	t.Parallel()
	entry := func(key, value string) kv.Entry { return kv.Entry{Key: key, Value: []byte(value)} }
	for name, c := range map[string]struct {
		entries []kv.Entry
		want    string
	}{
		"right":       {[]kv.Entry{entry("put/a", "2|"), entry("counter/0", "7"), entry("probe/x", "?")}, ""},
		"lost":        {[]kv.Entry{entry("counter/0", "7")}, "put/a is lost"},
		"an old put":  {[]kv.Entry{entry("put/a", "1|"), entry("counter/0", "7")}, "ends with put 1"},
		"twice":       {[]kv.Entry{entry("put/a", "2|"), entry("counter/0", "11")}, "its 2 increments make 7"},
		"a stranger":  {[]kv.Entry{entry("put/a", "2|"), entry("counter/0", "7"), entry("put/b", "1|")}, "put/b was never written"},
		"other bytes": {[]kv.Entry{entry("put/a", "x"), entry("counter/0", "7")}, "is none that was written"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			for range 2 {
				l.begin("put/a")
				l.ack("put/a", time.Now())
			}
			l.count("counter/0", 3)
			l.count("counter/0", 4)
			entries := make(map[string]kv.Entry)
			for _, e := range c.entries {
				entries[e.Key] = e
			}
			l.check(entries)
			expect(t, l, c.want)
		})
	}
}

func TestStalenessCountsFromTheAcknowledgement(t *testing.T) {
	t.Parallel()
	l := newLedger()
	start := time.Now()
	for i := range 3 {
		l.begin("k")
		l.ack("k", start.Add(time.Duration(i)*time.Second))
	}
	began := start.Add(1500 * time.Millisecond)
	if got := l.floor("k", began); got != 2 {
		t.Errorf("the floor is %d, want 2", got)
	}
	for number, want := range map[int]time.Duration{0: 1500 * time.Millisecond, 1: 500 * time.Millisecond, 2: 0, 3: 0} {
		if got := l.staleness("k", number, began); got != want {
			t.Errorf("put %d was %v old, want %v", number, got, want)
		}
	}
}

func expect(t *testing.T, l *ledger, want string) {
	t.Helper()
	broken := strings.Join(l.broken(), "\n")
	if want == "" && broken != "" || !strings.Contains(broken, want) {
		t.Errorf("found %q, want %q", broken, want)
	}
}
