package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

const transferred = 100_000

// writeKeys makes a file of keys in their order, some of them no text.
func writeKeys(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.jsonl")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(file)
	for i := range transferred {
		value, err := json.Marshal([]byte{byte(i), byte(i >> 8), 0xff})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, `{"key":%q,"value":%s}`+"\n", sampleKey(i), value)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func sampleKey(i int) string { return fmt.Sprintf("key/%06d", i) }

// killAt starts a command and kills it once its checkpoint is as far as told.
func killAt(t *testing.T, cmd *exec.Cmd, checkpoint string, reached func(data []byte) bool) {
	t.Helper()
	var errs output
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for deadline := time.After(patience); ; {
		if data, err := os.ReadFile(checkpoint); err == nil && reached(data) {
			break
		}
		select {
		case err := <-done:
			t.Fatalf("it ended before it was killed: %v\n%s", err, &errs)
		case <-deadline:
			t.Errorf("it did not come so far\n%s", &errs)
		case <-time.After(time.Millisecond):
			continue
		}
		break
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Fatal("it ended by itself")
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("it was not killed: %v\n%s", cmd.ProcessState, &errs)
	}
}

func TestTransfersThatAreKilledLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	environ := []string{"TRIVET_URL=" + s.url}
	keys := writeKeys(t)
	if r := trivet(t, "", environ, "import", "from", "-f", keys); r.code != exitOK || !strings.HasPrefix(lastLine(r.err), "imported 100000 entries in ") {
		t.Fatalf("%+v", r)
	}

	file := filepath.Join(t.TempDir(), "export.jsonl")
	for _, entries := range []int64{10_000, 30_000, 50_000} {
		killAt(t, command(t, environ, "export", "from", "-f", file), file+".progress", func(data []byte) bool {
			var state struct{ Entries int64 }
			return json.Unmarshal(data, &state) == nil && state.Entries >= entries
		})
	}
	if r := trivet(t, "", environ, "export", "from", "-f", file); r.code != exitOK || !strings.HasPrefix(lastLine(r.err), "exported 100000 entries, ") {
		t.Fatalf("%+v", r)
	}
	want, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the export has %d bytes, %v; want %d", len(got), err, len(want))
	}

	for _, line := range []int{1, 30_000, 60_000} {
		killAt(t, command(t, environ, "import", "to", "-f", file, "--on-conflict", "fail"), file+".progress", func(data []byte) bool {
			var state struct{ Window struct{ Line int } }
			return json.Unmarshal(data, &state) == nil && state.Window.Line >= line && windowBegun(t, s, state.Window.Line)
		})
	}
	if r := trivet(t, "", environ, "import", "to", "-f", file, "--on-conflict", "fail"); r.code != exitOK || !strings.HasPrefix(lastLine(r.err), "imported 100000 entries (") {
		t.Fatalf("%+v", r)
	}
	if r := trivet(t, "", environ, "export", "to"); r.code != exitOK || r.out != string(want) {
		t.Errorf("%d, %s; other keys arrived", r.code, r.err)
	}

	c, err := client.New(client.Options{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := 0; i < transferred; i += 499 {
		page, err := c.History(t.Context(), "to", sampleKey(i), kv.HistoryQuery{})
		if err != nil || len(page.Versions) != 1 {
			t.Errorf("%s: %+v, %v; it was to be written once", sampleKey(i), page, err)
		}
	}
}

// windowBegun tells whether an import has begun with the window at a line: some of
// its keys are there.
func windowBegun(t *testing.T, s *server, line int) bool {
	t.Helper()
	_, body := do(t, request(t, "GET", fmt.Sprintf("%s/v1/kv/to?limit=1&prefix=%s", s.url, sampleKey(line)[:len("key/0000")]), ""))
	return strings.Contains(body, `"version"`)
}

func TestExportsToStandardOutput(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	environ := []string{"TRIVET_URL=" + s.url}
	in := "key,value\na/1,one\nb/1,two\n"
	if r := trivet(t, in, environ, "import", "ns", "--format", "csv"); r.code != exitOK || r.out != "" {
		t.Fatalf("%+v", r)
	}
	r := trivet(t, "", environ, "export", "ns", "--prefix", "a/", "--format", "csv")
	if want := "key,key_encoding,value,value_encoding,content_type,expires_at,meta\na/1,,one,,,,\n"; r.code != exitOK || r.out != want {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", environ, "export", "ns", "--prefix", "b/"); r.code != exitOK || r.out != `{"key":"b/1","value":"dHdv"}`+"\n" {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", environ, "export", "none"); r.code != exitOK || r.out != "" {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", environ, "export", "ns", "--format", "xml"); r.code != exitUsage {
		t.Errorf("%+v", r)
	}
}

func TestImportsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	environ := []string{"TRIVET_URL=" + s.url}
	for name, test := range map[string]struct {
		in   string
		args []string
		code int
		want string
	}{
		"a bad line":      {`{"key":"a","value":"?"}`, nil, exitUsage, "trivet: line 1: value: the value has to be standard base64 with padding (invalid_argument)"},
		"a key twice":     {`{"key":"a","value":""}` + "\n" + `{"key":"a","value":""}`, []string{"--on-conflict", "fail"}, exitCondition, "trivet: line 2: the key exists (already_exists)"},
		"an unknown file": {"", []string{"-f", "missing"}, exitFailed, "trivet: stat missing: no such file or directory"},
		"an unknown flag": {"", []string{"--on-conflict", "ask"}, exitUsage, "See trivet import --help"},
		"a dead server":   {`{"key":"a","value":""}`, []string{"--url", "http://127.0.0.1:1"}, exitUnavailable, "(unavailable)"},
		"two servers":     {`{"key":"a","value":""}`, []string{"--url", s.url, "--context", "x"}, exitUsage, "exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := trivet(t, test.in, environ, append([]string{"import", "ns"}, test.args...)...)
			if r.code != test.code || !strings.Contains(lastLine(r.err), test.want) {
				t.Errorf("%+v, want code %d and %q", r, test.code, test.want)
			}
		})
	}
}
