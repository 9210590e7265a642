//go:build unix

package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/testserver"
)

// TestTheDatabaseIsPreparedFirst makes the roles, migrates, and serves as one of
// them, as the jobs of an installation do.
func TestTheDatabaseIsPreparedFirst(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	admin, err := url.Parse(server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := admin.User.Password()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"admin":      `{"username":"` + testserver.PostgresSuperuser + `","password":"` + password + `"}`,
		"trivet_api": "uses", "trivet_consumer": "uses", "trivet_migrate": "owns",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user string) string {
		u := *admin
		u.User = nil
		if user != "" {
			u.User = url.User(user)
		}
		return "TRIVET_DATABASE_URL=" + u.String()
	}
	run := func(command string, environ ...string) string {
		cmd := exec.Command(program, command)
		cmd.Env = environ
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	for range 2 {
		out := run("bootstrap", as(""), "TRIVET_DATABASE_ADMIN_FILE="+filepath.Join(dir, "admin"), "TRIVET_DATABASE_PASSWORDS="+dir)
		if !strings.Contains(out, "made the database's roles") || strings.Contains(out, "uses") || strings.Contains(out, password) {
			t.Errorf("bootstrap says: %s", out)
		}
		out = run("migrate", as("trivet_migrate"), "TRIVET_DATABASE_PASSWORD_FILE="+filepath.Join(dir, "trivet_migrate"))
		if !strings.Contains(out, "the schema is up to date") {
			t.Errorf("migrate says: %s", out)
		}
	}
	data, token := free(t), "a-root-token-of-more-than-32-characters"
	cmd := exec.Command(program)
	cmd.Env = []string{
		as("trivet_api"), "TRIVET_DATABASE_PASSWORD_FILE=" + filepath.Join(dir, "trivet_api"),
		"TRIVET_LISTEN=" + data, "TRIVET_ADMIN_LISTEN=" + free(t), "TRIVET_ROOT_TOKEN=" + token, "TRIVET_DRAIN_DELAY=0s",
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	answer(t, "http://"+data+"/v1/kv/ns/k", token, 404)
}

func TestPreparationsThatCannotWork(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct{ args, environ []string }{
		"unknown arguments":                    {args: []string{"migrat"}},
		"pebble:// needs no preparation":       {args: []string{"migrate"}, environ: []string{"TRIVET_DATABASE_URL=pebble:///data"}},
		"TRIVET_DATABASE_PASSWORDS: each role": {args: []string{"bootstrap"}, environ: []string{"TRIVET_DATABASE_URL=postgres://127.0.0.1:1/n"}},
		"TRIVET_DATABASE_ADMIN: expected a JSON object": {
			args: []string{"bootstrap"}, environ: []string{"TRIVET_DATABASE_URL=postgres://127.0.0.1:1/n", "TRIVET_DATABASE_LOGIN=aws", "TRIVET_DATABASE_ADMIN=hunter2"},
		},
	} {
		cmd := exec.Command(program, c.args...)
		cmd.Env = append(c.environ, "PATH="+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) || strings.Contains(string(out), "hunter2") {
			t.Errorf("%q: %v\n%s", c.args, err, out)
		}
	}
}
