package main

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

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

// awaitReady waits until the process says that it is ready.
func awaitReady(t *testing.T, admin string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		response, err := http.Get("http://" + admin + "/ready")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not ready: %v, %v", response, err)
		}
	}
}

func TestTheServiceRunsByItself(t *testing.T) {
	t.Parallel()
	program, dir, admin := filepath.Join(t.TempDir(), "program"), t.TempDir(), free(t)
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	at := func(scheme, name string) string {
		return (&url.URL{Scheme: scheme, Path: filepath.Join(dir, name)}).String()
	}
	var log bytes.Buffer
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "TRIVET_ADMIN_LISTEN="+admin,
		"TRIVET_DATABASE_URL="+at("pebble", "store"), "TRIVET_BROKER_URL="+at("jetstream", "broker"))
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, admin)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, &log)
	}
	if !strings.Contains(log.String(), `"service":"consumer"`) {
		t.Errorf("log:\n%s", &log)
	}
}
