//go:build unix

package testserver_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/testserver"
)

// panicVariable tells a copy of this test binary to start a server and panic.
const panicVariable = "TRIVET_TEST_PANIC"

func TestMain(m *testing.M) {
	if os.Getenv(panicVariable) == "" {
		os.Exit(m.Run())
	}
	p, err := testserver.StartPostgres(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(p.PID(), p.LogFile())
	panic("as a test does")
}

func query(ctx context.Context, url, statement string) (string, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // the test is over
	var text string
	err = conn.QueryRow(ctx, statement).Scan(&text)
	return text, err
}

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	a, b := testserver.PostgresURL(t), testserver.PostgresURL(t)
	if _, err := query(t.Context(), a, "CREATE TABLE t (); SELECT 'made'"); err == nil {
		t.Fatal("two statements in one query")
	}
	conn, err := pgx.Connect(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE t (v text)"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := query(t.Context(), b, "SELECT count(*)::text FROM t"); err == nil {
		t.Error("one test sees another's table")
	}
	for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on"} {
		if got, err := query(t.Context(), a, "SHOW "+setting); err != nil || got != want {
			t.Errorf("%s is %q, %v", setting, got, err)
		}
	}
}

func TestKillPauseAndStartAgain(t *testing.T) {
	t.Parallel()
	p := testserver.NewPostgres(t, "max_connections = 20")
	url := p.NewURL(t)
	if got, err := query(t.Context(), url, "SHOW max_connections"); err != nil || got != "20" {
		t.Fatalf("max_connections is %q, %v", got, err)
	}

	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := query(ctx, url, "SELECT 'answered'"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("paused: %v", err)
	}
	p.Resume()
	if _, err := query(t.Context(), url, "SELECT 'answered'"); err != nil {
		t.Errorf("resumed: %v", err)
	}

	for name, end := range map[string]func() error{
		"kill": func() error { p.Kill(); return nil },
		"stop": p.Stop,
	} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := query(t.Context(), url, "SELECT 'answered'"); err == nil {
			t.Errorf("%s: it still answers", name)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := query(t.Context(), url, "SELECT 'answered'"); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	if !strings.Contains(p.LogTail(0), "ready to accept connections") {
		t.Errorf("the log is %q", p.LogTail(0))
	}
}

// TestServerEndsWithItsProcess panics in a process that has started a server.
func TestServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), panicVariable+"=1")
	out, err := cmd.Output()
	if err == nil {
		t.Fatal("the process did not panic")
	}
	number, logFile, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
	pid, err := strconv.Atoi(number)
	if err != nil || !ok {
		t.Fatalf("the process printed %q", out)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, statErr := os.Stat(logFile)
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && errors.Is(statErr, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server %d or its directory is still there", pid)
		}
		time.Sleep(10 * time.Millisecond) // the end of another process cannot be awaited
	}
}

func TestMissingProgram(t *testing.T) {
	t.Setenv(testserver.InstallVariable, "0")
	p := testserver.Program{Name: "Nonesuch", Binary: "nonesuchd", Packages: []string{"nonesuch-server"}, Others: "macOS: brew install nonesuch."}
	_, err := p.Find(t.Context())
	for _, want := range []string{"Nonesuch is not installed", "nonesuchd", "apt-get install nonesuch-server", "brew install nonesuch"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
