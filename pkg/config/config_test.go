package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/config"
)

const rootToken = "correct-horse-battery-staple-0123456789"

func TestDefaultsHoldWhereNothingIsSet(t *testing.T) {
	t.Parallel()
	var (
		api     config.API
		admin   config.Admin
		process config.Process
	)
	if err := config.Load([]string{"PATH=/bin", "TRIVET_LISTEN="}, &api, &admin, &process); err != nil {
		t.Fatal(err)
	}
	if api.Listen != ":8080" || api.Auth != config.AuthToken || api.RootToken != "" {
		t.Errorf("data API: %+v", api)
	}
	if admin.Listen != ":9090" {
		t.Errorf("administration: %+v", admin)
	}
	if process.LogLevel != slog.LevelInfo || process.LogFormat != config.LogJSON || process.StopTimeout != 30*time.Second {
		t.Errorf("process: %+v", process)
	}
}

func TestVariablesAreRead(t *testing.T) {
	t.Parallel()
	var (
		api      config.API
		backends config.Backends
		process  config.Process
	)
	err := config.Load([]string{
		"TRIVET_LISTEN=127.0.0.1:0", "TRIVET_AUTH=off", "TRIVET_LOG_LEVEL=warn", "TRIVET_STOP_TIMEOUT=5s",
		"TRIVET_DATABASE_URL=pebble:///var/lib/trivet", "TRIVET_CACHE_URL=memory://?size=1GiB",
		"TRIVET_TOKEN=another program's",
	}, &api, &backends, &process)
	if err != nil {
		t.Fatal(err)
	}
	if api.Listen != "127.0.0.1:0" || api.Auth != config.AuthOff {
		t.Errorf("data API: %+v", api)
	}
	if process.LogLevel != slog.LevelWarn || process.StopTimeout != 5*time.Second {
		t.Errorf("process: %+v", process)
	}
	database := backends.Database.Parsed()
	if database.Scheme != "pebble" || database.Path != "/var/lib/trivet" {
		t.Errorf("database: %v", backends.Database)
	}
	if size := backends.Cache.Parsed().Query().Get("size"); size != "1GiB" {
		t.Errorf("cache: %v", backends.Cache)
	}
	if scheme := backends.Broker.Parsed().Scheme; scheme != "none" {
		t.Errorf("broker: %v", backends.Broker)
	}
	if text := backends.Cache.String(); text != "memory://?size=1GiB" {
		t.Errorf("the cache is shown as %s", text)
	}
}

func TestAProblemIsOneLineThatNamesTheVariable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secretFile := filepath.Join(dir, "secret")
	if err := os.WriteFile(secretFile, []byte("short-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	emptyFile := filepath.Join(dir, "empty")
	if err := os.WriteFile(emptyFile, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")

	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"mistyped": {
			[]string{"TRIVET_LISTNE=:1"},
			"TRIVET_LISTNE: unknown variable; did you mean TRIVET_LISTEN?",
		},
		"mistyped file": {
			[]string{"TRIVET_ROOT_TOKN_FILE=" + secretFile},
			"TRIVET_ROOT_TOKN_FILE: unknown variable; did you mean TRIVET_ROOT_TOKEN?",
		},
		"unlike any": {
			[]string{"TRIVET_FROBNICATION=1"},
			"TRIVET_FROBNICATION: unknown variable",
		},
		"first of several": {
			[]string{"TRIVET_ZZZZZZZZZZ=1", "TRIVET_AAAAAAAAAA=1"},
			"TRIVET_AAAAAAAAAA: unknown variable",
		},
		"service link without Kubernetes": {
			[]string{"TRIVET_API_SERVICE_HOST=10.0.0.1"},
			"TRIVET_API_SERVICE_HOST: unknown variable",
		},
		"address": {
			[]string{"TRIVET_LISTEN=8080"},
			"TRIVET_LISTEN: malformed; expected HOST:PORT or :PORT, such as 127.0.0.1:8080",
		},
		"port": {
			[]string{"TRIVET_ADMIN_LISTEN=:99999"},
			"TRIVET_ADMIN_LISTEN: malformed; expected HOST:PORT or :PORT, such as 127.0.0.1:8080",
		},
		"word": {
			[]string{"TRIVET_AUTH=of"},
			"TRIVET_AUTH: malformed; expected token or off",
		},
		"level": {
			[]string{"TRIVET_LOG_LEVEL=loud"},
			"TRIVET_LOG_LEVEL: malformed; expected debug, info, warn or error",
		},
		"duration": {
			[]string{"TRIVET_STOP_TIMEOUT=30"},
			"TRIVET_STOP_TIMEOUT: malformed; expected a duration such as 90s or 1h30m",
		},
		"no time to stop": {
			[]string{"TRIVET_STOP_TIMEOUT=-1s"},
			"TRIVET_STOP_TIMEOUT: it has to be longer than 0s",
		},
		"delay": {
			[]string{"TRIVET_DRAIN_DELAY=-1s"},
			"TRIVET_DRAIN_DELAY: it has to be 0s or longer",
		},
		"URL": {
			[]string{"TRIVET_DATABASE_URL=/var/lib/trivet"},
			"TRIVET_DATABASE_URL: malformed; expected a URL such as SCHEME://HOST or SCHEME:///DIRECTORY",
		},
		"no database": {
			[]string{"TRIVET_DATABASE_URL="},
			"TRIVET_DATABASE_URL: it is not set; expected a URL such as postgres://host/name or pebble:///var/lib/trivet",
		},
		"connections": {
			[]string{"TRIVET_DATABASE_CONNECTIONS=-1"},
			"TRIVET_DATABASE_CONNECTIONS: it has to be 0 (as many as are good) or more",
		},
		"no reads of the database": {
			[]string{"TRIVET_DATABASE_READS=0"},
			"TRIVET_DATABASE_READS: it has to be 1 or more",
		},
		"reads that wait too long": {
			[]string{"TRIVET_DATABASE_READ_WAIT=1h"},
			"TRIVET_DATABASE_READ_WAIT: it has to be longer than 0s and 10s at most",
		},
		"bound of the cache": {
			[]string{"TRIVET_CACHE_BOUND=0s"},
			"TRIVET_CACHE_BOUND: it has to be from 1s to 1m",
		},
		"short root token": {
			[]string{"TRIVET_ROOT_TOKEN=short-secret"},
			"TRIVET_ROOT_TOKEN: it has 12 characters; a root token needs 32 or more",
		},
		"short root token in a file": {
			[]string{"TRIVET_ROOT_TOKEN_FILE=" + secretFile},
			"TRIVET_ROOT_TOKEN: it has 12 characters; a root token needs 32 or more",
		},
		"both forms": {
			[]string{"TRIVET_ROOT_TOKEN=" + rootToken, "TRIVET_ROOT_TOKEN_FILE=" + secretFile},
			"TRIVET_ROOT_TOKEN_FILE: TRIVET_ROOT_TOKEN is set too; only one of them may be",
		},
		"missing file": {
			[]string{"TRIVET_ROOT_TOKEN_FILE=" + missing},
			"TRIVET_ROOT_TOKEN_FILE: the file cannot be read: open " + missing + ": no such file or directory",
		},
		"empty file": {
			[]string{"TRIVET_ROOT_TOKEN_FILE=" + emptyFile},
			"TRIVET_ROOT_TOKEN_FILE: the file " + emptyFile + " is empty",
		},
		"open to the world": {
			[]string{"TRIVET_AUTH=off"},
			`TRIVET_AUTH: "off" lets everybody in, so it is accepted on a loopback address only, such as 127.0.0.1:8080, and not on :8080; use "token"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := config.Underlay(c.environ, nil)
			if name != "no database" {
				environ = config.Underlay(environ, map[string]string{"TRIVET_DATABASE_URL": "pebble:///data"})
			}
			err := config.Load(environ, &config.API{}, &config.Admin{}, &config.Backends{}, &config.Process{})
			if err == nil {
				t.Fatalf("accepted; want: %s", c.want)
			}
			if err.Error() != c.want {
				t.Errorf("got:  %s\nwant: %s", err, c.want)
			}
			if strings.Contains(err.Error(), "short-secret") || strings.Contains(err.Error(), rootToken) {
				t.Error("the error shows a secret")
			}
		})
	}
}

func TestAFileGivesItsContentWithoutOneNewline(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		rootToken:             rootToken,
		rootToken + "\n":      rootToken,
		rootToken + "\r\n":    rootToken,
		rootToken + "\n\n":    rootToken + "\n",
		" " + rootToken + " ": " " + rootToken + " ",
	} {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var api config.API
		if err := config.Load([]string{"TRIVET_ROOT_TOKEN=", "TRIVET_ROOT_TOKEN_FILE=" + path}, &api); err != nil {
			t.Fatal(err)
		}
		if api.RootToken.Reveal() != want {
			t.Errorf("%q was read as %q", content, api.RootToken.Reveal())
		}
	}
}

func TestAURLInAFileIsReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "url")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("amqp://user:first@host/\n")
	var backends config.Backends
	if err := config.Load([]string{"TRIVET_BROKER_URL_FILE=" + path, "TRIVET_DATABASE_URL=postgres://a:1,b:2/name"}, &backends); err != nil {
		t.Fatal(err)
	}
	if backends.Broker.File() != path || backends.Database.File() != "" {
		t.Errorf("files: %q, %q", backends.Broker.File(), backends.Database.File())
	}
	if u, err := backends.Database.Current(); err != nil || u.Host != "a:1,b:2" {
		t.Errorf("%v, %v", u, err)
	}
	write("amqp://user:second@host/")
	u, err := backends.Broker.Current()
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := u.User.Password(); password != "second" {
		t.Error("it is still the first one")
	}
	for _, content := range []string{"", "amqp//secret"} {
		write(content)
		if _, err := backends.Broker.Current(); err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestKubernetesServiceLinksAreNotSettings(t *testing.T) {
	t.Parallel()
	links := []string{
		"KUBERNETES_SERVICE_HOST=10.0.0.1", "TRIVET_API_SERVICE_HOST=10.0.0.2", "TRIVET_API_SERVICE_PORT=8080",
		"TRIVET_API_SERVICE_PORT_HTTP=8080", "TRIVET_API_PORT=tcp://10.0.0.2:8080",
		"TRIVET_API_PORT_8080_TCP=tcp://10.0.0.2:8080", "TRIVET_API_PORT_8080_TCP_ADDR=10.0.0.2",
	}
	if err := config.Load(links, &config.Admin{}); err != nil {
		t.Error(err)
	}
	if err := config.Load(append(links, "TRIVET_PORT=8080"), &config.Admin{}); err == nil {
		t.Error("TRIVET_PORT=8080 was taken for a service link")
	}
}

func TestOverlayWinsAndUnderlayYields(t *testing.T) {
	t.Parallel()
	environ := []string{"TRIVET_LISTEN_FILE=/run/listen", "TRIVET_ADMIN_LISTEN=:1", "TRIVET_LOG_FORMAT="}
	over := config.Overlay(environ, map[string]string{"TRIVET_LISTEN": ":2", "TRIVET_ADMIN_LISTEN": ":3"})
	var (
		api     config.API
		admin   config.Admin
		process config.Process
	)
	if err := config.Load(over, &api, &admin); err != nil {
		t.Fatal(err)
	}
	if api.Listen != ":2" || admin.Listen != ":3" {
		t.Errorf("over: %v %v", api.Listen, admin.Listen)
	}
	under := config.Underlay(environ[1:], map[string]string{
		"TRIVET_LISTEN": ":4", "TRIVET_ADMIN_LISTEN": ":5", "TRIVET_LOG_FORMAT": "text",
	})
	if err := config.Load(under, &api, &admin, &process); err != nil {
		t.Fatal(err)
	}
	if api.Listen != ":4" || admin.Listen != ":1" || process.LogFormat != config.LogText {
		t.Errorf("under: %v %v %v", api.Listen, admin.Listen, process.LogFormat)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	var api config.API
	var backends config.Backends
	if err := config.Load([]string{
		"TRIVET_ROOT_TOKEN=" + rootToken, "TRIVET_DATABASE_URL=postgres://user:hunter2@db/trivet",
	}, &api, &backends); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "token", api.RootToken, "database", backends.Database)
	asJSON, err := json.Marshal(api)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		log.String(), string(asJSON), fmt.Sprint(api), fmt.Sprintf("%+v %#v %q", api, api, api.RootToken),
		fmt.Sprint(backends.Database), fmt.Sprint(&backends),
	} {
		if strings.Contains(shown, rootToken) || strings.Contains(shown, "hunter2") {
			t.Errorf("shown: %s", shown)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Bytes{
		"0": 0, "1048576": 1 << 20, "64KiB": 64 << 10, "64MiB": 64 << 20, "2GiB": 2 << 30,
	} {
		var got config.Bytes
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "64MB", "MiB", "1.5GiB", "9223372036854775807KiB"} {
		var got config.Bytes
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[config.Address]bool{
		"127.0.0.1:8080": true, "127.8.8.8:1": true, "[::1]:8080": true, "localhost:8080": true,
		"[::ffff:127.0.0.1]:1": true,
		":8080":                false, "0.0.0.0:8080": false, "[::]:8080": false, "10.0.0.1:8080": false,
		"localhost.example.com:8080": false, "127.0.0.1.example.com:80": false, "": false,
	} {
		if address.IsLoopback() != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
}

func TestARotatedSecretIsReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	var backends config.Backends
	if err := config.Load([]string{
		"TRIVET_DATABASE_URL=postgres://user@db/trivet", "TRIVET_DATABASE_PASSWORD_FILE=" + path, "TRIVET_CACHE_PASSWORD=fixed",
	}, &backends); err != nil {
		t.Fatal(err)
	}
	write("second")
	for want, secret := range map[string]config.RotatedSecret{"second": backends.DatabasePassword, "fixed": backends.CachePassword} {
		if got, err := secret.Current(); err != nil || got != want {
			t.Errorf("got %q, %v; want %s", got, err, want)
		}
		if shown := fmt.Sprintf("%v %+v %#v", secret, secret, backends); strings.Contains(shown, "first") || strings.Contains(shown, "fixed") {
			t.Errorf("shown: %s", shown)
		}
	}
	if !backends.BrokerLogin.IsZero() {
		t.Error("a login that nobody has given")
	}
}

func TestLoginsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"two database passwords": {
			[]string{"TRIVET_DATABASE_URL=postgres://u:hunter2@db/n", "TRIVET_DATABASE_PASSWORD=other"},
			"TRIVET_DATABASE_PASSWORD: the URL has a password too; only one of them may have it",
		},
		"two broker passwords": {
			[]string{"TRIVET_DATABASE_URL=postgres://db/n", "TRIVET_BROKER_URL=amqp://u:hunter2@mq/", "TRIVET_BROKER_LOGIN={}"},
			"TRIVET_BROKER_LOGIN: the URL has a password too; only one of them may have it",
		},
		"a password beside an identity": {
			[]string{"TRIVET_DATABASE_URL=postgres://u@db/n", "TRIVET_DATABASE_LOGIN=aws", "TRIVET_DATABASE_PASSWORD=other"},
			"TRIVET_DATABASE_PASSWORD: TRIVET_DATABASE_LOGIN is aws, which needs none",
		},
		"another identity": {
			[]string{"TRIVET_DATABASE_URL=postgres://u@db/n", "TRIVET_DATABASE_LOGIN=ldap"},
			"TRIVET_DATABASE_LOGIN: malformed; expected password or aws",
		},
		"a role's name": {
			[]string{"TRIVET_DATABASE_URL=postgres://u@db/n", "TRIVET_DATABASE_USERS=api,Robert'); --"},
			"TRIVET_DATABASE_USERS: a role's name has lower-case letters, digits and underscores, 63 at most, and is not the owner's",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := config.Load(c.environ, &config.Backends{}, &config.DatabaseRoles{}); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}
