//go:build unix

package jetstream_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
)

// killedDir and killedRound tell a copy of this test binary to be the process
// that is killed.
const (
	killedDir   = "TRIVET_TEST_QUEUE_TO_KILL"
	killedRound = "TRIVET_TEST_QUEUE_TO_KILL_ROUND"
)

const killPublishers = 16

// runUntilKilled publishes and handles messages, and prints a line for each one
// that was confirmed ("c ID") or handled ("h ID").
func runUntilKilled(dir, round string) error {
	b, err := jetstream.Open(dir, options())
	if err != nil {
		return err
	}
	_, err = b.Subscribe(func(_ context.Context, batch []broker.Delivery) []broker.Verdict {
		verdicts := make([]broker.Verdict, len(batch))
		for i, d := range batch {
			fmt.Println("h", d.ID)
			verdicts[i] = broker.Ack()
		}
		return verdicts
	})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for p := range killPublishers {
		go func() {
			for i := 0; ; i++ {
				m := broker.Message{ID: fmt.Sprintf("%d/%s/%06d", p, round, i), Key: strconv.Itoa(p), Body: make([]byte, i%700)}
				if err := b.Publish(context.Background(), m); err != nil {
					failed <- err
				}
				fmt.Println("c", m.ID)
			}
		}()
	}
	return <-failed
}

// TestKill kills a process again and again while it publishes and handles. All
// that it has seen confirmed is handled, by it or by the next one, and in order.
func TestKill(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	confirmed := make([][]string, killPublishers)
	handled := make([][]string, killPublishers)
	note := func(lists [][]string, id string) {
		p, err := strconv.Atoi(id[:strings.IndexByte(id, '/')])
		if err != nil {
			t.Fatal(err)
		}
		lists[p] = append(lists[p], id)
	}
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killedDir+"="+dir, fmt.Sprintf("%s=%02d", killedRound, round))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			kind, id, _ := strings.Cut(lines.Text(), " ")
			switch kind {
			case "c":
				note(confirmed, id)
			case "h":
				note(handled, id)
			default:
				t.Fatalf("round %d: %s", round, lines.Text())
			}
			if n == 300+170*round {
				_ = cmd.Process.Kill() // SIGKILL; what it has printed is still read
			}
		}
		_ = cmd.Wait() // it was killed
		kill.Stop()
	}
	b := open(t, dir, options())
	for _, id := range drain(t, b) {
		note(handled, id)
	}
	for p := range killPublishers {
		var got []string // without what came again after a kill
		for _, id := range handled[p] {
			if len(got) == 0 || id > got[len(got)-1] {
				got = append(got, id)
			} else if !slices.Contains(got, id) {
				t.Fatalf("message %s was handled for the first time after %s", id, got[len(got)-1])
			}
		}
		for _, id := range confirmed[p] {
			if _, found := slices.BinarySearch(got, id); !found {
				t.Errorf("message %s was confirmed and never handled", id)
			}
		}
		if len(confirmed[p]) == 0 {
			t.Errorf("publisher %d confirmed nothing", p)
		}
	}
}
