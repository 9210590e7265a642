//go:build unix

// Package configuration starts the real program with settings that cannot work
// and holds what it says: one line that names the variable and the cause, soon.
package configuration

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/testserver"
)

const repository = "../.."

// within is how long a start that cannot work may take.
const within = 5 * time.Second

func build(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trivet-api")
	cmd := exec.Command("go", "build", "-o", path, program)
	cmd.Dir = repository
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// silent is an address that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// with changes a URL.
func with(t *testing.T, text string, change func(u *url.URL)) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

func signIn(user, password string) func(*url.URL) {
	return func(u *url.URL) { u.User = url.UserPassword(user, password) }
}

func host(address string) func(*url.URL) { return func(u *url.URL) { u.Host = address } }

const nobody = "127.0.0.1:1"

func TestSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	program := build(t, "./services/api")
	postgres, redis, rabbit := testserver.SharedPostgres(t), testserver.NewRedis(t), testserver.SharedRabbitMQ(t)
	quiet := silent(t)

	database := postgres.NewURL(t)
	run(t, func(ctx context.Context) error {
		return postgres.Exec(ctx, "postgres", "CREATE ROLE reader LOGIN PASSWORD 'secret'")
	})
	newer := postgres.NewURL(t)
	unsynced := postgres.NewURL(t)
	run(t, func(ctx context.Context) error {
		name := strings.TrimPrefix(parse(t, unsynced).Path, "/")
		return postgres.Exec(ctx, "postgres", "ALTER DATABASE "+name+" SET synchronous_commit = off")
	})
	run(t, func(ctx context.Context) error {
		_, err := redis.Do(ctx, "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+get", "+ping")
		return err
	})
	for _, args := range [][]string{
		{"add_user", "reader", "secret"},
		{"set_permissions", "reader", "", "", ".*"},
	} {
		run(t, func(ctx context.Context) error { return rabbit.Ctl(ctx, args...) })
	}

	good := map[string]string{
		"TRIVET_DATABASE_URL": database,
		"TRIVET_CACHE_URL":    "none",
		"TRIVET_BROKER_URL":   "none",
	}
	// A start that works makes the schema, of which another one is newer.
	prepare(t, program, good, newer)
	run(t, func(ctx context.Context) error {
		return postgres.Exec(ctx, strings.TrimPrefix(parse(t, newer).Path, "/"), "UPDATE trivet.schema_version SET version = version + 1")
	})
	prepare(t, program, map[string]string{
		"TRIVET_CACHE_URL":  "none",
		"TRIVET_BROKER_URL": rabbit.URL() + "?declare=true&queue=made&partitions=2",
	}, database)

	for name, c := range map[string]struct{ variable, url, want string }{
		"database, scheme":      {"TRIVET_DATABASE_URL", "mysql://host/name", `unknown scheme "mysql"`},
		"database, no host":     {"TRIVET_DATABASE_URL", "postgres:///name", "names no host"},
		"database, unreachable": {"TRIVET_DATABASE_URL", with(t, database, host(nobody)), "connection refused"},
		"database, silent":      {"TRIVET_DATABASE_URL", with(t, database, host(quiet)), "time"},
		"database, password":    {"TRIVET_DATABASE_URL", with(t, database, signIn("trivet", "wrong")), "password authentication failed"},
		"database, name":        {"TRIVET_DATABASE_URL", with(t, database, func(u *url.URL) { u.Path = "/none" }), `database "none" does not exist`},
		"database, privilege":   {"TRIVET_DATABASE_URL", with(t, postgres.NewURL(t), signIn("reader", "secret")), "permission denied"},
		"database, newer":       {"TRIVET_DATABASE_URL", newer, "newer"},
		"database, not durable": {"TRIVET_DATABASE_URL", unsynced, "synchronous_commit"},

		"cache, scheme":       {"TRIVET_CACHE_URL", "memcached://host", `unknown scheme "memcached"`},
		"cache, of a process": {"TRIVET_CACHE_URL", "memory://", "within one process"},
		"cache, unreachable":  {"TRIVET_CACHE_URL", with(t, redis.URL(), host(nobody)), "connection refused"},
		"cache, silent":       {"TRIVET_CACHE_URL", with(t, redis.URL(), host(quiet)), "time"},
		"cache, password":     {"TRIVET_CACHE_URL", with(t, redis.URL(), signIn("reader", "wrong")), "WRONGPASS"},
		"cache, privilege":    {"TRIVET_CACHE_URL", with(t, redis.URL(), signIn("reader", "secret")), "NOPERM"},
		"cache, name":         {"TRIVET_CACHE_URL", "redis+sentinel://" + nobody, "name the primary"},

		"broker, scheme":       {"TRIVET_BROKER_URL", "kafka://host", `unknown scheme "kafka"`},
		"broker, parameter":    {"TRIVET_BROKER_URL", rabbit.URL() + "?partition=4", `unknown parameter "partition"`},
		"broker, no user":      {"TRIVET_BROKER_URL", "amqp://" + rabbit.Addr(), "names no user"},
		"broker, unreachable":  {"TRIVET_BROKER_URL", with(t, rabbit.URL(), host(nobody)), "connection refused"},
		"broker, silent":       {"TRIVET_BROKER_URL", with(t, rabbit.URL(), host(quiet)), "no answer in time"},
		"broker, password":     {"TRIVET_BROKER_URL", with(t, rabbit.URL(), signIn(testserver.RabbitMQUser, "wrong")), "the user name or the password is wrong"},
		"broker, virtual host": {"TRIVET_BROKER_URL", with(t, rabbit.URL(), func(u *url.URL) { u.Path = "/none" }), "vhost none not found"},
		"broker, privilege":    {"TRIVET_BROKER_URL", with(t, rabbit.URL(), func(u *url.URL) { signIn("reader", "secret")(u); u.RawQuery = "declare=true" }), "refused for user 'reader'"},
		"broker, no queues":    {"TRIVET_BROKER_URL", rabbit.URL() + "?queue=none", "no queue 'none.partitions'"},
		"broker, partitions":   {"TRIVET_BROKER_URL", rabbit.URL() + "?declare=true&queue=made&partitions=3", "made has 2 partitions on the server, and 3 are asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{}
			for variable, value := range good {
				settings[variable] = value
			}
			settings[c.variable] = c.url
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 3*within)
			defer cancel()
			cmd := command(ctx, program, settings)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			took := time.Since(began)
			if err == nil || ctx.Err() != nil {
				t.Fatalf("it started: %v\n%s", err, out.String())
			}
			if took > within {
				t.Errorf("it took %v", took)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			last := lines[len(lines)-1]
			if len(lines) != 1 || !strings.HasPrefix(last, "api: "+c.variable+": ") || !strings.Contains(last, c.want) {
				t.Errorf("it says\n%s\nwant one line that names %s and says %q", out.String(), c.variable, c.want)
			}
			for _, secret := range []string{"secret", "wrong@", ":wrong"} {
				if strings.Contains(last, secret) {
					t.Errorf("it shows a password: %s", last)
				}
			}
		})
	}
}

// TestAConsumerThatMayNotConsume may publish, which is enough for an api.
func TestAConsumerThatMayNotConsume(t *testing.T) {
	t.Parallel()
	api, consumer := build(t, "./services/api"), build(t, "./services/consumer")
	rabbit, database := testserver.SharedRabbitMQ(t), testserver.PostgresURL(t)
	settings := map[string]string{"TRIVET_CACHE_URL": "none", "TRIVET_BROKER_URL": rabbit.URL() + "?declare=true&queue=writable"}
	prepare(t, api, settings, database)
	for _, args := range [][]string{
		{"add_user", "writer", "secret"},
		{"set_permissions", "writer", "", ".*", ""},
	} {
		run(t, func(ctx context.Context) error { return rabbit.Ctl(ctx, args...) })
	}
	settings["TRIVET_BROKER_URL"] = with(t, rabbit.URL()+"?queue=writable", signIn("writer", "secret"))
	prepare(t, api, settings, database)
	settings["TRIVET_DATABASE_URL"] = database
	ctx, cancel := context.WithTimeout(t.Context(), 3*within)
	defer cancel()
	out, err := command(ctx, consumer, settings).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "TRIVET_BROKER_URL: consume from RabbitMQ: ") || !strings.Contains(string(out), "refused for user 'writer'") {
		t.Errorf("%v\n%s", err, out)
	}
}

func run(t *testing.T, do func(ctx context.Context) error) {
	t.Helper()
	if err := do(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func command(ctx context.Context, program string, settings map[string]string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "TRIVET_AUTH=off", "TRIVET_LISTEN=127.0.0.1:0", "TRIVET_ADMIN_LISTEN=127.0.0.1:0", "TRIVET_DRAIN_DELAY=0s")
	for variable, value := range settings {
		cmd.Env = append(cmd.Env, variable+"="+value)
	}
	return cmd
}

// prepare starts the program on a database with settings that work, and stops
// it once it is ready.
func prepare(t *testing.T, program string, settings map[string]string, database string) {
	t.Helper()
	all := map[string]string{}
	for variable, value := range settings {
		all[variable] = value
	}
	all["TRIVET_DATABASE_URL"] = database
	cmd := command(t.Context(), program, all)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	started := false
	for buf := make([]byte, 4096); !started; {
		n, err := log.Read(buf)
		text.Write(buf[:n])
		started = strings.Contains(text.String(), `"msg":"started"`)
		if err != nil && !started {
			break
		}
	}
	_ = cmd.Process.Signal(os.Interrupt)
	go func() { _, _ = text.ReadFrom(log) }()
	if err := cmd.Wait(); err != nil || !started {
		t.Fatal(fmt.Errorf("a start that works: %w\n%s", err, text.String()))
	}
}
