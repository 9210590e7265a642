//go:build unix

package backends_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/trivetkv/trivet/pkg/backends"
	"github.com/trivetkv/trivet/pkg/certs/certstest"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// file writes a file of a secret and gives its path.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// apart takes user and password out of a URL.
func apart(t *testing.T, text string) (without *url.URL, user, password string) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	user = u.User.Username()
	password, _ = u.User.Password()
	u.User = nil
	return u, user, password
}

// TestPasswordsApartFromURLs opens all servers with logins in files of their
// own, which are read again for each connection.
func TestPasswordsApartFromURLs(t *testing.T) {
	t.Parallel()
	database, user, password := apart(t, testserver.PostgresURL(t))
	database.User = url.User(user)
	redis := testserver.NewRedis(t, "user default off", "user cache on >swordfish ~* &* +@all")
	cache := &url.URL{Scheme: "redis", User: url.User("cache"), Host: redis.Addr()}
	rabbit, rabbitUser, rabbitPassword := apart(t, testserver.SharedRabbitMQ(t).URL())
	rabbit.RawQuery = "declare=true&queue=apart"
	login, err := json.Marshal(config.Login{Username: rabbitUser, Password: rabbitPassword})
	if err != nil {
		t.Fatal(err)
	}
	var cfg config.Backends
	if err := config.Load([]string{
		"TRIVET_DATABASE_URL=" + database.String(), "TRIVET_DATABASE_PASSWORD_FILE=" + file(t, password+"\n"),
		"TRIVET_CACHE_URL=" + cache.String(), "TRIVET_CACHE_PASSWORD_FILE=" + file(t, "swordfish"),
		"TRIVET_BROKER_URL=" + rabbit.String(), "TRIVET_BROKER_LOGIN_FILE=" + file(t, string(login)),
	}, &cfg); err != nil {
		t.Fatal(err)
	}
	b, err := backends.Open(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	for _, d := range b.Dependencies() {
		if err := d.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
}

func TestALoginThatCannotBeRead(t *testing.T) {
	t.Parallel()
	var cfg config.Backends
	if err := config.Load([]string{
		"TRIVET_DATABASE_URL=" + in("pebble", t.TempDir()), "TRIVET_BROKER_URL=amqp://127.0.0.1:1/", "TRIVET_BROKER_LOGIN=hunter2",
	}, &cfg); err != nil {
		t.Fatal(err)
	}
	_, err := backends.Open(cfg, quiet())
	if err == nil || !strings.Contains(err.Error(), `TRIVET_BROKER_LOGIN: expected a JSON object`) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// identityEndpoint is what gives a container the credentials of its identity.
func identityEndpoint(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "the-pods-token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "secret", "Token": "session",
			"Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// passwordServer speaks as much of PostgreSQL's protocol as asks for a password
// over TLS, and tells it.
func passwordServer(t *testing.T, certificate tls.Certificate) (address string, passwords <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	told := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		plain := pgproto3.NewBackend(conn, conn)
		if _, err := plain.ReceiveStartupMessage(); err != nil { // asks for TLS
			return
		}
		_, _ = conn.Write([]byte("S"))
		secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
		backend := pgproto3.NewBackend(secured, secured)
		if _, err := backend.ReceiveStartupMessage(); err != nil {
			return
		}
		backend.Send(&pgproto3.AuthenticationCleartextPassword{})
		if backend.Flush() != nil || backend.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
			return
		}
		if message, err := backend.Receive(); err == nil {
			if password, ok := message.(*pgproto3.PasswordMessage); ok {
				told <- password.Password
			}
		}
		backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28000", Message: "that is all"})
		_ = backend.Flush()
	}()
	return listener.Addr().String(), told
}

// It is not parallel: the identity is one for the process.
func TestAnIdentityLogsIn(t *testing.T) {
	authority := certstest.NewAuthority(t)
	address, passwords := passwordServer(t, authority.Pair("server", 2))
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", identityEndpoint(t))
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file(t, "the-pods-token\n"))
	var cfg config.Backends
	if err := config.Load([]string{
		fmt.Sprintf("TRIVET_DATABASE_URL=postgres://trivet_api@%s/trivet?sslmode=verify-full&sslrootcert=%s", address, authority.WriteCA(t.TempDir())),
		"TRIVET_DATABASE_LOGIN=aws",
	}, &cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := backends.Open(cfg, quiet()); err == nil || !strings.Contains(err.Error(), "that is all") {
		t.Fatalf("got %v", err)
	}
	token := <-passwords
	query, err := url.Parse("https://" + token)
	if err != nil {
		t.Fatal(err)
	}
	q := query.Query()
	if query.Host != address || q.Get("DBUser") != "trivet_api" || q.Get("Action") != "connect" || q.Get("X-Amz-Expires") != "900" ||
		q.Get("X-Amz-Security-Token") != "session" || !strings.Contains(q.Get("X-Amz-Credential"), "ASIAEXAMPLE/") ||
		!strings.Contains(q.Get("X-Amz-Credential"), "/eu-central-1/rds-db/") || q.Get("X-Amz-Signature") == "" {
		t.Errorf("the token: %s", token)
	}
}

// It is not parallel, either.
func TestAnIdentityThatCannotLogIn(t *testing.T) {
	for name, c := range map[string]struct{ url, region, endpoint, want string }{
		"no TLS":           {"postgres://u@db/n?sslmode=require", "r", "http://127.0.0.1:1", "expected sslmode=verify-full"},
		"no user":          {"postgres://db/n?sslmode=verify-full", "r", "http://127.0.0.1:1", "it names no user"},
		"several hosts":    {"postgres://u@a,b/n?sslmode=verify-full", "r", "http://127.0.0.1:1", "expected the writer's endpoint"},
		"no region":        {"postgres://u@db/n?sslmode=verify-full", "", "http://127.0.0.1:1", "AWS_REGION"},
		"no identity":      {"postgres://u@db/n?sslmode=verify-full", "r", "", "this process has no identity"},
		"identity is gone": {"postgres://u@127.0.0.1:1/n?sslmode=verify-full", "r", "http://127.0.0.1:1/", "get the database's password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_REGION", c.region)
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", c.endpoint)
			t.Setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "")
			var cfg config.Backends
			if err := config.Load([]string{"TRIVET_DATABASE_URL=" + c.url, "TRIVET_DATABASE_LOGIN=aws"}, &cfg); err != nil {
				t.Fatal(err)
			}
			_, err := backends.Open(cfg, quiet())
			if err == nil || !strings.HasPrefix(err.Error(), "TRIVET_DATABASE_URL: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
}
