package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the real program, built once for all tests.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "trivet-api-test")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		program = filepath.Join(dir, "api")
		if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// free gives an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// answer asks until the server answers with a status.
func answer(t *testing.T, url, token string, status int) string {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(req)
		if err == nil {
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode == status {
				return string(body)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer %d: %v, %v", url, status, response, err)
		}
	}
}

func TestTheServiceRunsByItself(t *testing.T) {
	t.Parallel()
	const token = "a-root-token-of-more-than-32-characters"
	data, admin := free(t), free(t)
	var log bytes.Buffer
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(),
		"TRIVET_LISTEN="+data, "TRIVET_ADMIN_LISTEN="+admin, "TRIVET_ROOT_TOKEN="+token, "TRIVET_DRAIN_DELAY=0s",
		"TRIVET_DATABASE_URL=pebble://"+filepath.Join(t.TempDir(), "store"))
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answer(t, "http://"+admin+"/ready", "", http.StatusOK)
	answer(t, "http://"+data+"/v1/kv/ns/k", token, http.StatusNotFound)
	answer(t, "http://"+data+"/v1/kv/ns/k", "", http.StatusUnauthorized)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, &log)
	}
	if !strings.Contains(log.String(), `"service":"api"`) || strings.Contains(log.String(), token) {
		t.Errorf("log:\n%s", &log)
	}
}

func TestTheServiceNeedsADatabase(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(program).CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "api: TRIVET_DATABASE_URL: it is not set") {
		t.Errorf("%v: %s", err, out)
	}
}
