package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestTheFirstConversation(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	key := s.url + "/v1/kv/shop/fruit/apple"
	if status, body := do(t, request(t, http.MethodPut, key, "three")); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := do(t, request(t, http.MethodGet, key, "")); status != http.StatusOK || body != "three" {
		t.Fatalf("%d %s", status, body)
	}
	s.stop(t)
	if _, err := os.Stat(filepath.Join(s.cmd.Dir, "data", "store")); err != nil {
		t.Errorf("the data is not in ./data: %v", err)
	}
}

func TestDataOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	s := serve(t, nil, "--data", data, "--admin-listen", "127.0.0.1:0")
	if status, body := do(t, request(t, http.MethodPut, s.url+"/v1/kv/ns/k", "v")); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	s.signal(t, syscall.SIGKILL)
	s.exited(t)
	s = serve(t, nil, "--data", data, "--admin-listen", "127.0.0.1:0")
	if status, body := do(t, request(t, http.MethodGet, s.url+"/v1/kv/ns/k", "")); status != http.StatusOK || body != "v" {
		t.Fatalf("%d %s", status, body)
	}
}

// adminURL finds in the log where a server is administered.
func adminURL(t *testing.T, s *server) string {
	t.Helper()
	var found []string
	eventually(t, "the log tells", func() bool {
		found = regexp.MustCompile(`msg="serving administration" address=(\S+)\n`).FindStringSubmatch(s.err.String())
		return found != nil
	})
	return "http://" + found[1]
}

func TestFlagsWinOverVariables(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, []string{
		"TRIVET_LISTEN=nonsense", "TRIVET_ADMIN_LISTEN=nonsense",
		"TRIVET_DATABASE_URL=pebble:///nowhere", "TRIVET_BROKER_URL_FILE=/nowhere",
	}, "--data", data, "--admin-listen", "127.0.0.1:0")
	if status, body := do(t, request(t, http.MethodPut, s.url+"/v1/kv/ns/k", "v")); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	for _, dir := range []string{"store", "broker"} {
		if _, err := os.Stat(filepath.Join(data, dir)); err != nil {
			t.Error(err)
		}
	}
}

func TestTheAdminPortIsNotWorthFailingFor(t *testing.T) {
	t.Parallel()
	first, second := serve(t, nil), serve(t, nil)
	if adminURL(t, first) == adminURL(t, second) {
		t.Errorf("two servers are administered at %s", adminURL(t, first))
	}
	for _, s := range []*server{first, second} {
		if status, body := do(t, request(t, http.MethodGet, adminURL(t, s)+"/ready", "")); status != http.StatusOK {
			t.Errorf("%d %s", status, body)
		}
	}

	asked := strings.TrimPrefix(adminURL(t, first), "http://")
	r := trivet(t, "", nil, "run", "--listen", "127.0.0.1:0", "--admin-listen", asked)
	if r.code != exitFailed || !strings.Contains(lastLine(r.err), "TRIVET_ADMIN_LISTEN: "+asked+" is taken") {
		t.Errorf("an address that was asked for: %+v", r)
	}
}

// slowPut begins a request, and gives what sends its rest and reads its answer.
func slowPut(t *testing.T, s *server, key string) (finish func() string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// 100 Continue says that the handler is reading the body.
	fmt.Fprintf(conn, "PUT /v1/kv/ns/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", key)
	answer := bufio.NewReader(conn)
	line, err := answer.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := answer.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "01234")
	return func() string {
		fmt.Fprint(conn, "56789")
		status, err := answer.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(status)
	}
}

func TestAStopCutsNothingOff(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, []string{"TRIVET_DRAIN_DELAY=300ms"}, "--data", data, "--admin-listen", "127.0.0.1:0")
	finish := slowPut(t, s, "slow")

	// Writers send until the process is not ready, as a balancer lets them.
	var stopping atomic.Bool
	var acknowledged atomic.Int64
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() {
			for i := 0; !stopping.Load(); i++ {
				req, err := http.NewRequest(http.MethodPut, fmt.Sprintf("%s/v1/kv/ns/%d-%d", s.url, w, i), strings.NewReader("v"))
				if err != nil {
					t.Error(err)
					return
				}
				response, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Errorf("a request was cut off: %v", err)
					return
				}
				_ = response.Body.Close()
				if response.StatusCode != http.StatusCreated {
					t.Errorf("status %d", response.StatusCode)
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	eventually(t, "200 writes", func() bool { return acknowledged.Load() >= 200 })

	s.signal(t, syscall.SIGTERM)
	ready := adminURL(t, s) + "/ready"
	eventually(t, "not ready", func() bool {
		status, _ := do(t, request(t, http.MethodGet, ready, ""))
		return status == http.StatusServiceUnavailable
	})
	stopping.Store(true)
	writers.Wait()
	if status := finish(); status != "HTTP/1.1 201 Created" {
		t.Errorf("the request under way got %q", status)
	}
	if code := s.exited(t); code != 0 {
		t.Errorf("exit code %d", code)
	}

	s = serve(t, nil, "--data", data, "--admin-listen", "127.0.0.1:0")
	listed := trivet(t, "", []string{"TRIVET_URL=" + s.url}, "kv", "list", "ns")
	if got := int64(strings.Count(listed.out, "\n")); got != acknowledged.Load()+1 {
		t.Errorf("%d keys after %d acknowledged writes and a slow one", got, acknowledged.Load())
	}
}

func TestAWatchEndsWithAReasonWhenTheServerStops(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	response, err := http.DefaultClient.Do(request(t, http.MethodGet, s.url+"/v1/watch/ns", "").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	s.signal(t, syscall.SIGTERM)
	stream, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(stream), "event: error\n") {
		t.Errorf("%v: %s", err, stream)
	}
	if code := s.exited(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestASecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	slowPut(t, s, "never-finished")
	ready := adminURL(t, s) + "/ready"
	s.signal(t, syscall.SIGINT)
	eventually(t, "not ready", func() bool {
		status, _ := do(t, request(t, http.MethodGet, ready, ""))
		return status == http.StatusServiceUnavailable
	})
	s.signal(t, syscall.SIGINT)
	if code := s.exited(t); code != 130 {
		t.Errorf("exit code %d", code)
	}
}

func TestAStopHasATimeLimit(t *testing.T) {
	t.Parallel()
	s := serve(t, []string{"TRIVET_STOP_TIMEOUT=100ms"}, "--admin-listen", "127.0.0.1:0")
	slowPut(t, s, "never-finished")
	s.signal(t, syscall.SIGTERM)
	if code := s.exited(t); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if !strings.HasPrefix(lastLine(s.err.String()), "trivet: the stop took longer than 100ms") {
		t.Errorf("%s", s.err)
	}
}

func TestAStartThatCannotWorkSaysWhyInOneLine(t *testing.T) {
	t.Parallel()
	running := serve(t, nil, "--data", filepath.Join(t.TempDir(), "taken"), "--admin-listen", "127.0.0.1:0")
	address := strings.TrimPrefix(running.url, "http://")
	dir := running.cmd.Args[len(running.cmd.Args)-3]
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]struct {
		environ []string
		args    []string
		code    int
		want    []string // in the last line
	}{
		"unknown variable": {
			[]string{"TRIVET_LISTNE=:1"}, nil, exitUsage,
			[]string{"trivet: TRIVET_LISTNE: unknown variable; did you mean TRIVET_LISTEN?"},
		},
		"malformed variable": {
			[]string{"TRIVET_STOP_TIMEOUT=soon"}, nil, exitUsage,
			[]string{"trivet: TRIVET_STOP_TIMEOUT: malformed; expected a duration such as 90s or 1h30m"},
		},
		"authentication off for everybody": {
			[]string{"TRIVET_AUTH=off"}, []string{"--listen", "0.0.0.0:0"}, exitUsage,
			[]string{"trivet: TRIVET_AUTH: ", "loopback", "0.0.0.0:0"},
		},
		"authentication off by default": {
			nil, []string{"--listen", ":0"}, exitUsage, []string{"trivet: TRIVET_AUTH: ", "loopback"},
		},
		"short root token": {
			[]string{"TRIVET_ROOT_TOKEN=hunter2"}, nil, exitUsage, []string{"trivet: TRIVET_ROOT_TOKEN: it has 7 characters"},
		},
		"port taken": {
			nil, []string{"--listen", address}, exitFailed, []string{"TRIVET_LISTEN: " + address + " is taken"},
		},
		"directory in use": {
			nil, []string{"--data", dir}, exitFailed, []string{"trivet: ", dir, "in use by another process"},
		},
		"a file for a directory": {
			nil, []string{"--data", file}, exitFailed, []string{"trivet: ", file},
		},
		"unknown backend": {
			[]string{"TRIVET_DATABASE_URL=mysql://host/db"}, nil, exitUsage,
			[]string{`trivet: TRIVET_DATABASE_URL: unknown scheme "mysql"; supported: pebble`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, test.args...)
			r := trivet(t, "", test.environ, args...)
			if r.code != test.code || r.out != "" {
				t.Errorf("%+v, want code %d", r, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(lastLine(r.err), want) {
					t.Errorf("%q is missing in: %s", want, r.err)
				}
			}
			if n := strings.Count(r.err, "trivet: "); n != 1 || strings.Contains(r.err, "hunter2") {
				t.Errorf("%d lines say why:\n%s", n, r.err)
			}
		})
	}
	t.Cleanup(func() { // the one that was there first is not disturbed
		if status, body := do(t, mustRequest(http.MethodPut, running.url+"/v1/kv/ns/k", "v")); status != http.StatusCreated {
			t.Errorf("%d %s", status, body)
		}
	})
}

func mustRequest(method, url, body string) *http.Request {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	return req
}

func TestADirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, nil, "run", "--data", dir, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	if os.Geteuid() == 0 { // root may write everywhere, so it is somebody else
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Dir = "/"
		if err := os.Chmod(filepath.Dir(filepath.Dir(dir)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r := finish(t, cmd, "")
	if r.code != exitFailed || !strings.Contains(lastLine(r.err), dir) || !strings.Contains(r.err, "permission denied") {
		t.Errorf("%+v", r)
	}
}

func TestADamagedFileIsNamed(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, nil, "--data", data, "--admin-listen", "127.0.0.1:0")
	if status, body := do(t, request(t, http.MethodPut, s.url+"/v1/kv/ns/k", strings.Repeat("v", 1000))); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	s.stop(t)
	manifests, err := filepath.Glob(filepath.Join(data, "store", "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatal(manifests, err)
	}
	manifest := manifests[len(manifests)-1]
	content, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	content[20] ^= 1 // in its first record: in the last one it would look like a torn tail
	if err := os.WriteFile(manifest, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r := trivet(t, "", nil, "run", "--data", data, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	if r.code != exitFailed || !strings.Contains(lastLine(r.err), filepath.Base(manifest)) {
		t.Errorf("%+v", r)
	}
}

func TestWithoutAuthenticationForeignPagesAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	rebound := request(t, http.MethodGet, s.url+"/v1/kv/ns/k", "")
	rebound.Host = "rebound.example"
	crossSite := request(t, http.MethodPut, s.url+"/v1/kv/ns/k", "v")
	crossSite.Header.Set("Origin", "https://evil.example")
	for _, req := range []*http.Request{rebound, crossSite} {
		if status, body := do(t, req); status != http.StatusForbidden || !strings.Contains(body, `"code":"forbidden"`) {
			t.Errorf("%d %s", status, body)
		}
	}
}

func TestTheRootTokenLetsIn(t *testing.T) {
	t.Parallel()
	const token = "a-root-token-of-more-than-32-characters"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, []string{"TRIVET_AUTH=token", "TRIVET_ROOT_TOKEN_FILE=" + file}, "--admin-listen", "127.0.0.1:0")
	if status, body := do(t, request(t, http.MethodGet, s.url+"/v1/kv/ns/k", "")); status != http.StatusUnauthorized {
		t.Errorf("%d %s", status, body)
	}
	withFile := []string{"TRIVET_URL=" + s.url, "TRIVET_TOKEN_FILE=" + file}
	if r := trivet(t, "", withFile, "kv", "put", "ns", "k", "v"); r.code != exitOK {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", nil, "kv", "get", "ns", "k", "--url", s.url, "--token", token); r.code != exitOK || r.out != "v" {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", nil, "kv", "get", "ns", "k", "--url", s.url); r.code != exitFailed || !strings.Contains(r.err, "(unauthenticated)") {
		t.Errorf("%+v", r)
	}
	if strings.Contains(s.err.String(), token) {
		t.Error("the log shows the token")
	}
}

func TestMetricsAndHealth(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	admin := adminURL(t, s)
	if status, body := do(t, request(t, http.MethodPut, s.url+"/v1/kv/private-ns/private-key", "v")); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	for url, want := range map[string]string{
		admin + "/health?verbose": `"name":"database","state":"up"`,
		admin + "/ready":          `"ready"`,
		s.url + "/health":         `"ok"`,
		s.url + "/openapi.json":   `"openapi": "3.1`,
		s.url + "/docs":           "<html",
		s.url + "/ready":          `"ready"`,
		admin + "/metrics":        `trivet_store_calls_total{call="apply",code="ok"} 1`,
		s.url + "/metrics":        "trivet_broker_up 1",
	} {
		status, body := do(t, request(t, http.MethodGet, url, ""))
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d, %q is missing in %s", url, status, want, body)
		}
		if strings.Contains(body, "private") {
			t.Errorf("%s shows a key or a namespace", url)
		}
	}
	if strings.Contains(s.err.String(), "private") {
		t.Errorf("the log shows a key or a namespace:\n%s", s.err)
	}
}

func TestAnAsynchronousWriteIsApplied(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	put := request(t, http.MethodPut, s.url+"/v1/kv/ns/later", "v")
	put.Header.Set("Prefer", "respond-async")
	if status, body := do(t, put); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, body)
	}
	eventually(t, "the write is applied", func() bool {
		status, body := do(t, request(t, http.MethodGet, s.url+"/v1/kv/ns/later", ""))
		return status == http.StatusOK && body == "v"
	})
}

func TestAnExpiredKeyIsSwept(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	put := request(t, http.MethodPut, s.url+"/v1/kv/ns/brief", "v")
	put.Header.Set("Trivet-TTL", time.Millisecond.String())
	if status, body := do(t, put); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	eventually(t, "its expiry is a change", func() bool {
		_, body := do(t, request(t, http.MethodGet, s.url+"/v1/history/ns/brief", ""))
		return strings.Contains(body, `"op":"expire"`)
	})
}
