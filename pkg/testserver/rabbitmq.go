//go:build unix

package testserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

var rabbitProgram = Program{
	Name:     "RabbitMQ",
	Binary:   "rabbitmq-server",
	Dirs:     []string{rabbitDirs, "/opt/homebrew/opt/rabbitmq/sbin"},
	Packages: []string{"rabbitmq-server"},
	Others:   "Fedora: sudo dnf install rabbitmq-server. macOS: brew install rabbitmq.",
}

// rabbitDirs are where Linux distributions keep RabbitMQ's own scripts. Those
// in PATH change to an account and a directory of the machine's own server.
const rabbitDirs = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"

// rabbitScript runs a server with an Erlang port mapper of its own, which
// would otherwise be one for the whole machine and outlive the server. The
// first wait ends with the signal that stops the server, the second one with
// the server.
const rabbitScript = `
epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 & mapper=$!
"$0" & server=$!
trap 'kill -TERM $server' TERM
wait $server
wait $server
status=$?
kill $mapper
exit $status
`

// RabbitMQ is a RabbitMQ server.
type RabbitMQ struct {
	*Server
	port     int
	password string
	script   string   // the path of rabbitmq-server
	env      []string // of the server and of its tools
}

// RabbitMQUser is the account that [RabbitMQ.URL] signs in with.
const RabbitMQUser = "trivet"

// StartRabbitMQ runs a RabbitMQ server, which takes about 6 s. Settings are
// lines of its configuration file, such as "channel_max = 100"; one that begins
// with "management." turns the management plug-in on.
func StartRabbitMQ(ctx context.Context, settings ...string) (*RabbitMQ, error) {
	path, err := rabbitProgram.Find(ctx)
	if err != nil {
		return nil, err
	}
	if own, _ := filepath.Glob(filepath.Join(rabbitDirs, rabbitProgram.Binary)); len(own) > 0 {
		path = own[len(own)-1]
	}
	ports := make([]int, 3)
	for i := range ports {
		if ports[i], err = FreePort(); err != nil {
			return nil, err
		}
	}
	dir, err := NewDir("rabbitmq", nil)
	if err != nil {
		return nil, err
	}
	r := &RabbitMQ{port: ports[0], password: rand.Text(), script: path}
	r.env = []string{
		"HOME=" + dir, // of the cookie that its tools show
		"ERL_EPMD_PORT=" + strconv.Itoa(ports[2]),
		"RABBITMQ_NODENAME=trivet" + strconv.Itoa(r.port) + "@localhost",
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(ports[1]),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		"RABBITMQ_CONF_ENV_FILE=/dev/null", // the machine's own
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "data"),
		"RABBITMQ_LOG_BASE=" + dir,
		"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(dir, "config"),
	}
	if err := r.configure(dir, settings); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	r.Server, err = Start(ctx, Spec{
		Name:  "RabbitMQ",
		Path:  "/bin/sh",
		Args:  []string{"-c", rabbitScript, path},
		Env:   r.env,
		Dir:   dir,
		Ready: r.ping,
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *RabbitMQ) configure(dir string, settings []string) error {
	settings = append([]string{
		"listeners.tcp.local = " + r.Addr(),
		"default_user = " + RabbitMQUser,
		"default_pass = " + r.password,
		"log.file = false",
		"log.console = true",
		"log.console.level = warning",
		"vm_memory_high_watermark.absolute = 1GiB",
		"disk_free_limit.absolute = 50MB",
	}, settings...)
	plugins := ""
	if slices.ContainsFunc(settings, func(line string) bool { return strings.HasPrefix(line, "management.") }) {
		plugins = "rabbitmq_management"
	}
	for name, text := range map[string]string{
		"rabbitmq.conf":   strings.Join(settings, "\n") + "\n",
		"enabled_plugins": "[" + plugins + "].\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("configure RabbitMQ: %w", err)
		}
	}
	return nil
}

// ping signs in, which is possible once the server has started.
func (r *RabbitMQ) ping(context.Context) error {
	conn, err := amqp.Dial(r.URL())
	if err != nil {
		return fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	return conn.Close()
}

// Addr gives the server's host and port.
func (r *RabbitMQ) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// URL gives what to connect to the default virtual host with, as an
// administrator.
func (r *RabbitMQ) URL() string {
	return (&url.URL{Scheme: "amqp", User: url.UserPassword(RabbitMQUser, r.password), Host: r.Addr(), Path: "/"}).String()
}

// Ctl runs rabbitmqctl on the server, such as Ctl(ctx, "add_user", "name", "password").
func (r *RabbitMQ) Ctl(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(r.script), "rabbitmqctl"), args...) //nolint:gosec // beside the server
	cmd.Env = append(os.Environ(), r.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rabbitmqctl %s: %w\n%s", args[0], err, out)
	}
	return nil
}

var sharedRabbitMQ = Shared[*RabbitMQ]{
	Start: func(ctx context.Context) (*RabbitMQ, error) { return StartRabbitMQ(ctx) },
}

// SharedRabbitMQ gives the server that the test binary shares. A test may not
// stop it, and gives its queues names of their own.
func SharedRabbitMQ(tb testing.TB) *RabbitMQ {
	tb.Helper()
	return sharedRabbitMQ.Get(tb)
}

// NewRabbitMQ runs a server of the test's own.
func NewRabbitMQ(tb testing.TB, settings ...string) *RabbitMQ {
	tb.Helper()
	return Own(tb, func(ctx context.Context) (*RabbitMQ, error) { return StartRabbitMQ(ctx, settings...) })
}
