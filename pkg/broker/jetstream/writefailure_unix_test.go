//go:build unix

package jetstream_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
)

// limitedDir tells a copy of this test binary to publish until writes fail.
const limitedDir = "TRIVET_TEST_QUEUE_TO_FILL"

// runUntilFull publishes until the system takes no more bytes, then gets more
// room and goes on. It prints what was confirmed.
func runUntilFull(dir string) error {
	signal.Ignore(unix.SIGXFSZ)
	limit := unix.Rlimit{Cur: 64 << 10, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	b, err := jetstream.Open(dir, jetstream.Options{})
	if err != nil {
		return err
	}
	failed := 0
	for i := range 40 {
		m := broker.Message{ID: fmt.Sprint(i), Key: "k", Body: bytes.Repeat([]byte{byte(i)}, 5<<10)}
		if err := b.Publish(context.Background(), m); err != nil {
			failed++
			if !strings.Contains(err.Error(), dir) {
				return fmt.Errorf("the error does not name the directory: %w", err)
			}
		} else {
			fmt.Println(m.ID)
		}
		if failed == 5 {
			limit.Cur = unix.RLIM_INFINITY
			if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
				return err
			}
		}
	}
	if failed != 5 {
		return fmt.Errorf("%d publishes failed, want the 5 for which there was no room", failed)
	}
	return b.Close()
}

// Writes that fail, as on a full disk, are errors of those who publish. What
// was confirmed before and after is there.
func TestWritesThatFail(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), limitedDir+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	confirmed := strings.Fields(string(out))
	got := drain(t, open(t, dir, options()))
	missing := make(map[string]bool)
	for _, id := range confirmed {
		missing[id] = true
	}
	for _, id := range got {
		delete(missing, id)
	}
	if len(confirmed) != 35 || len(missing) > 0 {
		t.Errorf("%d of 40 messages were confirmed, %d of them are missing", len(confirmed), len(missing))
	}
}
