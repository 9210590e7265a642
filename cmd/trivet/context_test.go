package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestContextsAreKept(t *testing.T) {
	t.Parallel()
	cfg := filepath.Join(t.TempDir(), "below", "config.yaml")
	environ := []string{"TRIVET_CONFIG=" + cfg}
	run := func(args ...string) result {
		t.Helper()
		return trivet(t, "", environ, append([]string{"context"}, args...)...)
	}
	done := func(args ...string) {
		t.Helper()
		if r := run(args...); r != (result{}) {
			t.Fatalf("%q: %+v", args, r)
		}
	}
	if r := run("list"); r.code != exitOK || r.out != "NAME  URL  TOKEN\n" && !strings.Contains(r.out, "NAME") {
		t.Errorf("no file: %+v", r)
	}
	if r := run("show"); r.code != exitNotFound {
		t.Errorf("no file: %+v", r)
	}
	done("set", "local", "--url", "http://127.0.0.1:8080")
	done("set", "prod", "--url", "https://kv.example.com", "--token", "tvt_secret")
	if r := run("list"); r.out != ""+
		"   NAME   URL                     TOKEN\n"+
		"*  local  http://127.0.0.1:8080   none\n"+
		"   prod   https://kv.example.com  kept\n" {
		t.Errorf("%s", r.out)
	}
	done("use", "prod")
	if r := run("show", "-o", "json"); r.out != `{"name":"prod","current":true,"url":"https://kv.example.com","has_token":true}`+"\n" {
		t.Errorf("%+v", r)
	}
	done("set", "prod", "--url", "https://other.example.com")
	content, err := os.ReadFile(cfg)
	if err != nil || !strings.Contains(string(content), "tvt_secret") || strings.Contains(string(content), "kv.example.com") {
		t.Errorf("%v: %s", err, content)
	}
	if info, err := os.Stat(cfg); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: mode %v", err, info.Mode())
	}
	if files, _ := os.ReadDir(filepath.Dir(cfg)); len(files) != 1 {
		t.Errorf("%d files beside each other", len(files))
	}
	done("set", "prod", "--token-file", "/run/token")
	if r := run("show", "-o", "yaml"); r.out !=
		"name: prod\ncurrent: true\nurl: \"https://other.example.com\"\ntoken_file: /run/token\nhas_token: true\n" {
		t.Errorf("%+v", r)
	}
	done("delete", "prod")
	if r := run("show"); r.code != exitNotFound {
		t.Errorf("the context in use was deleted: %+v", r)
	}
	if r := run("show", "local"); r.code != exitOK {
		t.Errorf("%+v", r)
	}

	for _, args := range [][]string{{"use", "nope"}, {"delete", "nope"}, {"show", "nope"}} {
		if r := run(args...); r.code != exitNotFound || !strings.Contains(r.err, `"nope"`) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	for _, args := range [][]string{
		{"set", "new"}, {"set", "new", "--url", "nonsense"}, {"set", "two words", "--url", "http://host"},
		{"set", "new", "--url", "http://host", "--token", "t", "--token-file", "f"},
		{"set", "new", "--url", "http://host", "--token", "-"},
	} {
		if r := run(args...); r.code != exitUsage {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestAConfigurationFileThatCannotBeTrustedIsRefused(t *testing.T) {
	t.Parallel()
	const secret = "tvt_not-to-be-shown"
	for name, test := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"readable by others": {"contexts: {a: {url: 'http://h', token: " + secret + "}}\n", 0o640, "chmod 600"},
		"unknown field":      {"contexts:\n  a:\n    url: http://h\n    tokn: " + secret + "\n", 0o600, `line 4: unknown field "tokn"`},
		"unknown setting":    {"currant: a\n", 0o600, `line 1: unknown field "currant"`},
		"other type":         {"contexts: [" + secret + "]\n", 0o600, "line 1: "},
		"not YAML":           {"contexts: {a: {url: 'http://h', token: " + secret + "\n", 0o600, "not YAML"},
		"two tokens":         {"contexts: {a: {url: 'http://h', token: " + secret + ", token_file: f}}\n", 0o600, "token_file"},
		"no url":             {"contexts: {a: {token: " + secret + "}}\n", 0o600, "no url"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(cfg, []byte(test.content), test.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(cfg, test.mode); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"kv", "get", "ns", "k"}, {"context", "list"}} {
				r := trivet(t, "", nil, append(args, "--config", cfg)...)
				if r.code != exitUsage || r.out != "" || !strings.Contains(r.err, cfg) || !strings.Contains(r.err, test.want) {
					t.Errorf("%q: %+v, want %q", args, r, test.want)
				}
				if strings.Contains(r.err, secret) {
					t.Errorf("the token is shown: %s", r.err)
				}
			}
		})
	}
	for name, content := range map[string]string{"empty": "", "comments": "# nothing yet\n"} {
		cfg := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(cfg, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if r := trivet(t, "", nil, "context", "list", "--config", cfg); r.code != exitOK {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestFlagsThenVariablesThenTheContext(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	const nowhere = "http://127.0.0.1:1"
	cfg := filepath.Join(t.TempDir(), "config.yaml")
	for name, url := range map[string]string{"here": s.url, "nowhere": nowhere} {
		if r := trivet(t, "", nil, "context", "set", name, "--url", url, "--config", cfg); r.code != exitOK {
			t.Fatalf("%+v", r)
		}
	}
	for _, test := range []struct {
		current string
		environ []string
		args    []string
		code    int
	}{
		{"here", nil, nil, exitNotFound},
		{"nowhere", nil, nil, exitUnavailable},
		{"nowhere", []string{"TRIVET_URL=" + s.url}, nil, exitNotFound},
		{"nowhere", []string{"TRIVET_URL=" + nowhere}, []string{"--url", s.url}, exitNotFound},
		{"nowhere", nil, []string{"--context", "here"}, exitNotFound},
		{"here", []string{"TRIVET_URL=" + nowhere}, nil, exitUnavailable},
		{"here", nil, []string{"--context", "here", "--url", nowhere}, exitUsage},
	} {
		if r := trivet(t, "", nil, "context", "use", test.current, "--config", cfg); r.code != exitOK {
			t.Fatalf("%+v", r)
		}
		args := append([]string{"kv", "get", "ns", "absent", "--timeout", "2s"}, test.args...)
		if r := trivet(t, "", append(test.environ, "TRIVET_CONFIG="+cfg), args...); r.code != test.code {
			t.Errorf("%+v: %+v", test, r)
		}
	}
}

func TestCompletionOffersContextsAndFormats(t *testing.T) {
	t.Parallel()
	cfg := filepath.Join(t.TempDir(), "config.yaml")
	if r := trivet(t, "", nil, "context", "set", "prod", "--url", "http://host", "--config", cfg); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	environ := []string{"TRIVET_CONFIG=" + cfg}
	for want, args := range map[string][]string{
		"prod\n": {"context", "use", ""}, "yaml\n": {"kv", "get", "ns", "k", "-o", ""}, "completion\t": {"comp"},
	} {
		if r := trivet(t, "", environ, append([]string{"__complete"}, args...)...); !strings.Contains(r.out, want) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := trivet(t, "", environ, "__complete", "kv", "list", "ns", "--context", ""); !strings.Contains(r.out, "prod\n") {
		t.Errorf("%+v", r)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := trivet(t, "", nil, "completion", shell); r.code != exitOK || !strings.Contains(r.out, "trivet") {
			t.Errorf("%s: %+v", shell, r)
		}
	}
}
