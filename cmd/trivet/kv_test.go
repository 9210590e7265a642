package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv"
)

func TestAConversationWithKV(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	environ := []string{"TRIVET_URL=" + s.url}
	run := func(in string, args ...string) result {
		t.Helper()
		return trivet(t, in, environ, append([]string{"kv"}, args...)...)
	}
	want := func(got result, out string, code int) {
		t.Helper()
		if got.out != out || got.code != code || (got.err == "") != (code == exitOK) {
			t.Errorf("got %+v, want %q and code %d", got, out, code)
		}
	}
	version := func(r result) string {
		t.Helper()
		if r.code != exitOK || !strings.HasSuffix(r.out, "\n") || strings.Trim(r.out, "0123456789\n") != "" {
			t.Fatalf("got %+v, want a version", r)
		}
		return strings.TrimSpace(r.out)
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("from a\x00file\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	first := version(run("", "put", "shop", "fruit/apple", "three"))
	want(run("", "get", "shop", "fruit/apple"), "three", exitOK)
	version(run("from a pipe\n", "put", "shop", "fruit/pear"))
	want(run("", "get", "shop", "fruit/pear"), "from a pipe\n", exitOK)
	version(run("", "put", "shop", "logo", "--file", file, "--content-type", "image/png", "--meta", "owner=me"))
	want(run("", "get", "shop", "logo", "--strong"), "from a\x00file\n", exitOK)
	version(run("", "put", "shop", "empty", ""))
	want(run("", "get", "shop", "empty"), "", exitOK)
	version(run("", "put", "shop", "../odd//key", "v", "--ttl", "1h"))
	want(run("", "get", "shop", "../odd//key"), "v", exitOK)

	want(run("", "put", "shop", "fruit/apple", "four", "--if-absent"), "", exitCondition)
	want(run("", "put", "shop", "fruit/apple", "four", "--if-match", "1"), "", exitCondition)
	second := version(run("", "put", "shop", "fruit/apple", "four", "--if-match", first))
	want(run("", "get", "shop", "fruit/apple", "--min-version", second), "four", exitOK)

	want(run("", "list", "shop"), "../odd//key\nempty\nfruit/apple\nfruit/pear\nlogo\n", exitOK)
	want(run("", "list", "shop", "--limit", "2"), "../odd//key\nempty\n", exitOK)
	want(run("", "list", "shop", "--delimiter", "/"), "../\nempty\nfruit/\nlogo\n", exitOK)
	want(run("", "list", "shop", "--prefix", "fruit/", "--values"),
		"fruit/apple\tfour\nfruit/pear\t\"from a pipe\\n\"\n", exitOK)

	var entry struct {
		Key, Value  string
		ContentType string `json:"content_type"`
		Meta        map[string]string
	}
	got := run("", "get", "shop", "logo", "-o", "json")
	if err := json.Unmarshal([]byte(got.out), &entry); err != nil || entry.Key != "logo" || entry.ContentType != "image/png" ||
		entry.Value != "ZnJvbSBhAGZpbGUK" || entry.Meta["owner"] != "me" {
		t.Errorf("%s: %v", got.out, err)
	}
	got = run("", "list", "shop", "-o", "json", "--delimiter", "/")
	if lines := strings.Split(strings.TrimSpace(got.out), "\n"); len(lines) != 4 ||
		lines[0] != `{"prefix":"../"}` || !strings.HasPrefix(lines[1], `{"key":"empty","version":`) {
		t.Errorf("%s", got.out)
	}

	want(run("", "delete", "shop", "fruit/apple", "--if-match", "1"), "", exitCondition)
	version(run("", "delete", "shop", "fruit/apple", "--if-match", second))
	want(run("", "get", "shop", "fruit/apple"), "", exitNotFound)
	want(run("", "delete", "shop", "fruit/apple"), "", exitNotFound)
}

func TestFormerVersionsAreListedReadAndRestored(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	run := func(args ...string) result {
		t.Helper()
		return trivet(t, "", []string{"TRIVET_URL=" + s.url}, append([]string{"kv"}, args...)...)
	}
	first := strings.TrimSpace(run("put", "shop", "apple", "three", "--content-type", "text/plain").out)
	second := strings.TrimSpace(run("delete", "shop", "apple").out)
	history := strings.Split(run("history", "shop", "apple").out, "\n")
	if len(history) != 4 || !strings.HasPrefix(history[0], "VERSION ") || !strings.HasPrefix(history[1], second+"  ") ||
		!strings.Contains(history[1], "  delete  ") || !strings.HasPrefix(history[2], first+"  ") || !strings.HasSuffix(history[2], "  put     5     text/plain") {
		t.Errorf("%q", history)
	}
	if r := run("history", "shop", "apple", "--limit", "1", "-o", "json"); !strings.HasPrefix(r.out, `{"version":`+second+`,"op":"delete",`) ||
		strings.Count(r.out, "\n") != 1 {
		t.Errorf("%+v", r)
	}
	if r := run("get", "shop", "apple", "--version", first); r.out != "three" {
		t.Errorf("%+v", r)
	}
	if r := run("get", "shop", "apple", "--version", "1"); r.code != exitNotFound {
		t.Errorf("%+v", r)
	}
	if r := run("restore", "shop", "apple", first, "--if-match", "1"); r.code != exitCondition {
		t.Errorf("%+v", r)
	}
	if r := run("restore", "shop", "apple", first, "-o", "json"); r.code != exitOK || !strings.HasPrefix(r.out, `{"key":"apple","version":`) {
		t.Errorf("%+v", r)
	}
	if r := run("get", "shop", "apple"); r.out != "three" {
		t.Errorf("%+v", r)
	}
}

func TestNumbersAreCounted(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	run := func(args ...string) result {
		t.Helper()
		return trivet(t, "", []string{"TRIVET_URL=" + s.url}, append([]string{"kv"}, args...)...)
	}
	if r := run("increment", "shop", "visits"); r.out != "1\n" {
		t.Errorf("%+v", r)
	}
	if r := run("increment", "shop", "visits", "--by", "-4"); r.out != "-3\n" {
		t.Errorf("%+v", r)
	}
	if r := run("increment", "shop", "visits", "-o", "json"); !strings.HasPrefix(r.out, `{"key":"visits","version":`) || !strings.HasSuffix(r.out, `,"value":-2}`+"\n") {
		t.Errorf("%+v", r)
	}
	run("put", "shop", "text", "three")
	if r := run("increment", "shop", "text"); r.code == exitOK || r.out != "" {
		t.Errorf("%+v", r)
	}
}

func TestATransactionTellsWhichBranchWasRun(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	environ := []string{"TRIVET_URL=" + s.url}
	const txn = `{"compare":[{"key":"lock","target":"exists","is":"eq","exists":false}],
		"success":[{"op":"put","key":"lock","value":"bWU="},{"op":"increment","key":"taken","by":2}],
		"failure":[{"op":"get","key":"lock"},{"op":"get","key":"absent"}]}`
	if r := trivet(t, txn, environ, "kv", "txn", "shop"); r.code != exitOK || r.err != "" ||
		!strings.HasPrefix(r.out, "OP         KEY    VERSION") || !strings.HasSuffix(r.out, "  2\n") {
		t.Errorf("%+v", r)
	}
	file := filepath.Join(t.TempDir(), "txn.json")
	if err := os.WriteFile(file, []byte(txn), 0o600); err != nil {
		t.Fatal(err)
	}
	r := trivet(t, "", environ, "kv", "txn", "shop", "--file", file, "-o", "json")
	var answer struct {
		Succeeded bool
		Results   []struct {
			Status  int
			Value   []byte
			Problem struct{ Code string }
		}
	}
	if err := json.Unmarshal([]byte(r.out), &answer); err != nil || r.code != exitCondition || !strings.Contains(r.err, "failure was run") {
		t.Fatalf("%+v: %v", r, err)
	}
	if answer.Succeeded || len(answer.Results) != 2 || string(answer.Results[0].Value) != "me" ||
		answer.Results[1].Status != http.StatusNotFound || answer.Results[1].Problem.Code != "not_found" {
		t.Errorf("%+v", answer)
	}
	for _, document := range []string{"", "{", `{"success":[{"op":"put","key":"k"}]}`, `{"succeed":[]}`} {
		if r := trivet(t, document, environ, "kv", "txn", "shop"); r.code != exitUsage || r.out != "" {
			t.Errorf("%q: %+v", document, r)
		}
	}
}

func TestAListGoesOverItsPages(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	const keys = 2500
	for page := range 3 {
		var ops []string
		for i := page * 1000; i < min(keys, (page+1)*1000); i++ {
			ops = append(ops, fmt.Sprintf(`{"op":"put","key":"%04d","value":""}`, i))
		}
		body := `{"operations":[` + strings.Join(ops, ",") + `]}`
		batch := request(t, http.MethodPost, s.url+"/v1/batch/ns", body)
		batch.Header.Set("Content-Type", "application/json")
		if status, answer := do(t, batch); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	for limit, want := range map[string]int{"0": keys, "1500": 1500, "1": 1} {
		r := trivet(t, "", nil, "kv", "list", "ns", "--url", s.url, "--limit", limit)
		if lines := strings.Split(strings.TrimSpace(r.out), "\n"); len(lines) != want || lines[0] != "0000" ||
			lines[want-1] != fmt.Sprintf("%04d", want-1) {
			t.Errorf("limit %s: %d lines, from %s to %s, code %d", limit, len(lines), lines[0], lines[len(lines)-1], r.code)
		}
	}
}

func TestWatchPrintsChangesUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	environ := []string{"TRIVET_URL=" + s.url}
	cmd := command(t, environ, "kv", "watch", "shop", "--since", "0", "--values", "--prefix", "fruit/")
	var out output
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"put", "shop", "fruit/apple", "three"}, {"put", "shop", "other", "v"}, {"delete", "shop", "fruit/apple"},
	} {
		if r := trivet(t, "", environ, append([]string{"kv"}, args...)...); r.code != exitOK {
			t.Fatalf("%+v", r)
		}
	}
	eventually(t, "two changes are printed", func() bool { return strings.Count(out.String(), "\n") == 2 })
	lines := strings.Split(out.String(), "\n")
	if put := strings.Split(lines[0], "\t"); len(put) != 5 || put[0] != "1" || put[2] != "put" || put[3] != "fruit/apple" || put[4] != "three" {
		t.Errorf("%q", put)
	}
	if del := strings.Split(lines[1], "\t"); len(del) != 4 || del[0] != "3" || del[2] != "delete" || del[3] != "fruit/apple" {
		t.Errorf("%q", del)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}

func TestAWatchThatLosesItsServerSaysSoAndGoesOn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, nil, "--data", data, "--admin-listen", "127.0.0.1:0")
	cmd := command(t, nil, "kv", "watch", "shop", "--since", "0", "-o", "json", "--url", s.url)
	var out, errs output
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	put := func(key string) {
		t.Helper()
		if r := trivet(t, "", nil, "kv", "put", "shop", key, "v", "--url", s.url); r.code != exitOK {
			t.Fatalf("%+v", r)
		}
	}
	put("before")
	eventually(t, "a change is printed", func() bool { return strings.Contains(out.String(), "\n") })
	if !strings.HasPrefix(out.String(), `{"event":"put","position":1,"key":"before","version":`) {
		t.Errorf("%s", &out)
	}
	s.stop(t)
	eventually(t, "the interruption is told", func() bool { return strings.Contains(errs.String(), "; resuming\n") })

	// Where nothing else took the port meanwhile, it is the same server again.
	s = serve(t, nil, "--data", data, "--admin-listen", "127.0.0.1:0", "--listen", strings.TrimPrefix(s.url, "http://"))
	put("after")
	eventually(t, "the next change is printed", func() bool { return strings.Contains(out.String(), `"key":"after"`) })
	if strings.Count(out.String(), `"key":"before"`) != 1 {
		t.Errorf("%s", &out)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}

func TestWrongUsageIsTold(t *testing.T) {
	t.Parallel()
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, kv.MaxValueBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args    []string
		environ []string
		want    string
	}{
		{[]string{"frobnicate"}, nil, "frobnicate"},
		{[]string{"kv", "frobnicate"}, nil, "frobnicate"},
		{[]string{"run", "argument"}, nil, "argument"},
		{[]string{"run", "--frobnicate"}, nil, "--frobnicate"},
		{[]string{"kv", "get", "ns"}, nil, "accepts 2 arg(s), received 1"},
		{[]string{"kv", "get", "ns", "key", "-o", "xml"}, nil, "text, json or yaml"},
		{[]string{"kv", "get", "Not A Namespace", "key"}, nil, "namespace: "},
		{[]string{"kv", "get", "ns", "key"}, []string{"TRIVET_URI=http://host"}, "TRIVET_URI: unknown variable; did you mean TRIVET_URL?"},
		{[]string{"kv", "get", "ns", "key", "--url", "nonsense"}, nil, "url: "},
		{[]string{"kv", "put", "ns", "key", "v", "--if-absent", "--if-match", "1"}, nil, "if-absent"},
		{[]string{"kv", "put", "ns", "key", "v", "--file", "x"}, nil, "not both"},
		{[]string{"kv", "put", "ns", "key", "v", "--ttl", "0"}, nil, "ttl: "},
		{[]string{"kv", "put", "ns", "key", "v", "--if-match", "0"}, nil, "if: "},
		{[]string{"kv", "list", "ns", "--limit", "-1"}, nil, "limit"},
	} {
		r := trivet(t, "", test.environ, test.args...)
		if r.code != exitUsage || r.out != "" || !strings.HasPrefix(r.err, "trivet: ") || !strings.Contains(r.err, test.want) {
			t.Errorf("%q: %+v, want %q", test.args, r, test.want)
		}
	}
	if r := trivet(t, "", nil, "kv", "put", "ns", "key", "--file", large); r.code != exitFailed || !strings.Contains(r.err, "too_large") {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", nil, "kv", "put", "ns", "key", "--file", large+"r"); r.code != exitFailed || !strings.Contains(r.err, "no such file") {
		t.Errorf("%+v", r)
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := trivet(t, "", nil, "kv", "get", "ns", "key", "--url", "http://127.0.0.1:1")
	if r.code != exitUnavailable || !strings.Contains(r.err, "connection refused") {
		t.Errorf("%+v", r)
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--help"}, {"run", "--help"}, {"kv"}, {"kv", "--help"}, {"kv", "get", "--help"}, {"kv", "put", "--help"},
		{"kv", "delete", "--help"}, {"kv", "list", "--help"}, {"kv", "watch", "--help"}, {"token"}, {"namespace"}, {"context"},
	} {
		if r := trivet(t, "", nil, args...); r.code != exitOK || r.err != "" || !strings.Contains(r.out, "trivet ") {
			t.Errorf("%q: %+v", args, r)
		}
	}
	r := trivet(t, "", nil, "version", "-o", "json")
	var build struct{ Version, Go, Platform string }
	if err := json.Unmarshal([]byte(r.out), &build); err != nil || build.Version == "" || build.Go == "" || build.Platform == "" {
		t.Errorf("%+v: %v", r, err)
	}
	if r := trivet(t, "", nil, "version"); !strings.HasPrefix(r.out, "trivet "+build.Version+"\n") {
		t.Errorf("%+v", r)
	}
}

func TestEveryCommandShowsAnExample(t *testing.T) {
	t.Parallel()
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Name() == "completion" || cmd.Name() == "help" {
			return // written by the library
		}
		if cmd.HasParent() && !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s --help has no example of it", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit((&terminal{}).root())
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for code, errs := range map[int][]error{
		exitOK:          {nil},
		exitFailed:      {errors.New("x"), kv.Errorf(kv.CodeInternal, "x"), kv.Errorf(kv.CodeForbidden, "x"), serverError{kv.ErrNotFound}},
		exitUsage:       {usageError{errors.New("x")}, &config.Error{Name: "TRIVET_X"}, kv.Invalid("key", "x")},
		exitNotFound:    {kv.ErrNotFound},
		exitCondition:   {kv.ErrVersionMismatch, kv.ErrAlreadyExists},
		exitUnavailable: {kv.Errorf(kv.CodeUnavailable, "x"), kv.Errorf(kv.CodeOverloaded, "x"), kv.Errorf(kv.CodeTimeout, "x")},
	} {
		for _, err := range errs {
			if got := exitCode(err); got != code {
				t.Errorf("%v: exit code %d, want %d", err, got, code)
			}
		}
	}
}

func TestWhatIsPrintedStaysOnOneLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":       "plain",
		"two words":   "two words",
		"ümlaut":      "ümlaut",
		"a\nb":        `"a\nb"`,
		"\x1b[31mred": `"\x1b[31mred"`,
		"\xff":        `"\xff"`,
		"":            "",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is printed as %s, want %s", text, got, want)
		}
	}
}

func TestPrefixesAreListedBetweenKeys(t *testing.T) {
	t.Parallel()
	page := kv.ListPage{
		Entries:  []kv.Entry{{Key: "b"}, {Key: "d"}},
		Prefixes: []string{"a/", "c/", "e/"},
	}
	var out bytes.Buffer
	for _, item := range inOrder(page, false) {
		if err := printKey(&out, item); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Fields(out.String()); !reflect.DeepEqual(got, []string{"a/", "b", "c/", "d", "e/"}) {
		t.Errorf("%q", got)
	}
}
