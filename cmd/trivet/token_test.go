package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const rootToken = "a-root-token-of-more-than-32-characters"

// serveTokens starts a server with authentication, and gives environments of
// its administrator and of somebody with a token.
func serveTokens(t *testing.T) (s *server, root []string, with func(token string) []string) {
	t.Helper()
	s = serve(t, []string{"TRIVET_AUTH=token", "TRIVET_ROOT_TOKEN=" + rootToken}, "--admin-listen", "127.0.0.1:0")
	with = func(token string) []string { return []string{"TRIVET_URL=" + s.url, "TRIVET_TOKEN=" + token} }
	return s, with(rootToken), with
}

func TestATokenFromItsMakingToItsEnd(t *testing.T) {
	t.Parallel()
	_, root, with := serveTokens(t)
	made := trivet(t, "", root, "token", "create", "carts", "--scope", "shop:cart/=read,write", "--scope", "prices-*=read", "--ttl", "720h")
	secret, whole := strings.CutSuffix(made.out, "\n")
	if made.code != exitOK || !whole || !strings.HasPrefix(secret, "tvt_") || strings.ContainsAny(secret, " \n") {
		t.Fatalf("%+v", made)
	}
	if !strings.Contains(made.err, "shop:cart/=read,write prices-*=read") || strings.Contains(made.err, secret) {
		t.Errorf("beside the secret: %s", made.err)
	}

	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"put", "shop", "cart/7", "apple"}, exitOK},
		{[]string{"get", "shop", "cart/7"}, exitOK},
		{[]string{"list", "shop", "--prefix", "cart/"}, exitOK},
		{[]string{"list", "shop"}, exitFailed},
		{[]string{"put", "shop", "order/7", "apple"}, exitFailed},
		{[]string{"get", "prices-eu", "apple"}, exitNotFound},
		{[]string{"put", "prices-eu", "apple", "3"}, exitFailed},
		{[]string{"get", "other", "cart/7"}, exitFailed},
	} {
		r := trivet(t, "", with(secret), append([]string{"kv"}, test.args...)...)
		if r.code != test.code || test.code == exitFailed && !strings.Contains(r.err, "(forbidden)") {
			t.Errorf("%q: %+v, want code %d", test.args, r, test.code)
		}
	}
	if r := trivet(t, "", with(secret), "token", "list"); r.code != exitFailed || !strings.Contains(r.err, "(forbidden)") {
		t.Errorf("tokens for somebody who is no administrator: %+v", r)
	}

	var listed struct {
		ID, Name, Token string
		ExpiresAt       string `json:"expires_at"`
		Scopes          []struct{ Namespace, Prefix string }
	}
	list := trivet(t, "", root, "token", "list", "-o", "json")
	if err := json.Unmarshal([]byte(list.out), &listed); err != nil || listed.Name != "carts" || listed.ExpiresAt == "" ||
		len(listed.Scopes) != 2 || listed.Scopes[0].Prefix != "cart/" || listed.Token != "" {
		t.Fatalf("%+v: %v", list, err)
	}
	table := trivet(t, "", root, "token", "list")
	if lines := strings.Split(table.out, "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], "ID ") ||
		!strings.HasPrefix(lines[1], listed.ID+"  carts  shop:cart/=read,write prices-*=read  ") {
		t.Errorf("%s", table.out)
	}
	if strings.Contains(table.out, "\x1b") {
		t.Error("escape sequences for what is no terminal")
	}

	rotated := trivet(t, "", root, "token", "rotate", listed.ID, "--overlap", "1h")
	next := strings.TrimSpace(rotated.out)
	if rotated.code != exitOK || next == secret || !strings.HasPrefix(next, "tvt_"+listed.ID+"_") {
		t.Fatalf("%+v", rotated)
	}
	for _, token := range []string{secret, next} {
		if r := trivet(t, "", with(token), "kv", "get", "shop", "cart/7"); r.code != exitOK || r.out != "apple" {
			t.Errorf("within the overlap: %+v", r)
		}
	}

	if r := trivet(t, "", root, "token", "revoke", listed.ID); r != (result{}) {
		t.Errorf("%+v", r)
	}
	for _, token := range []string{secret, next} {
		if r := trivet(t, "", with(token), "kv", "get", "shop", "cart/7"); r.code != exitFailed || !strings.Contains(r.err, "(unauthenticated)") {
			t.Errorf("a revoked token: %+v", r)
		}
	}
	for _, args := range [][]string{{"revoke", listed.ID}, {"rotate", "nonsense"}} {
		if r := trivet(t, "", root, append([]string{"token"}, args...)...); r.code != exitNotFound || r.out != "" {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestATokenAsADocument(t *testing.T) {
	t.Parallel()
	_, root, with := serveTokens(t)
	made := trivet(t, "", root, "token", "create", "ci", "--scope", "ci=read,write", "-o", "yaml")
	var token struct {
		Token  string
		Scopes []struct {
			Namespace string
			Access    []string
		}
	}
	if err := yaml.Unmarshal([]byte(made.out), &token); err != nil || made.code != exitOK || made.err != "" ||
		len(token.Scopes) != 1 || token.Scopes[0].Namespace != "ci" || len(token.Scopes[0].Access) != 2 {
		t.Fatalf("%+v: %v", made, err)
	}
	if r := trivet(t, "", with(token.Token), "kv", "put", "ci", "k", "v"); r.code != exitOK {
		t.Errorf("%+v", r)
	}
}

func TestAScopeIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"shop=read", "shop:cart/=read,write", "*=read,write,admin", "shop-*:a=b:c=write"} {
		var scopes scopeList
		if err := scopes.Set(text); err != nil || scopes.String() != text {
			t.Errorf("%q: %v, %q", text, err, scopes.String())
		}
	}
	for _, text := range []string{"", "shop", "=read", "shop=", "shop=read,", "shop=everything", "Shop=read", "shop:cart/=admin"} {
		var scopes scopeList
		if err := scopes.Set(text); err == nil {
			t.Errorf("%q is taken as %q", text, scopes.String())
		}
	}
}

func TestNamespacesAreListedAndSet(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--admin-listen", "127.0.0.1:0")
	environ := []string{"TRIVET_URL=" + s.url}
	for _, ns := range []string{"shop", "other"} {
		if r := trivet(t, "", environ, "kv", "put", ns, "k", "value"); r.code != exitOK {
			t.Fatalf("%+v", r)
		}
	}
	if r := trivet(t, "", environ, "namespace", "list"); r.code != exitOK || r.out != ""+
		"NAME   KEYS  BYTES  RETENTION  DEFAULT TTL  MAX KEYS  MAX BYTES\n"+
		"other  1     6      168h       none         none      none\n"+
		"shop   1     6      168h       none         none      none\n" {
		t.Errorf("%+v", r)
	}
	set := func(args ...string) result {
		return trivet(t, "", environ, append([]string{"namespace", "set", "shop", "-o", "json"}, args...)...)
	}
	if r := set("--retention", "720h", "--max-bytes", "1KiB"); r.out !=
		`{"name":"shop","retention":"720h","max_bytes":1024,"keys":1,"bytes":6}`+"\n" {
		t.Errorf("%+v", r)
	}
	if r := set("--max-keys", "1"); r.out !=
		`{"name":"shop","retention":"720h","max_keys":1,"max_bytes":1024,"keys":1,"bytes":6}`+"\n" {
		t.Errorf("what no flag names has changed: %+v", r)
	}
	if r := trivet(t, "", environ, "kv", "put", "shop", "second", "v"); r.code != exitFailed || !strings.Contains(r.err, "(quota_exceeded)") {
		t.Errorf("%+v", r)
	}
	if r := set("--max-keys", "0", "--max-bytes", "0"); r.out != `{"name":"shop","retention":"720h","keys":1,"bytes":6}`+"\n" {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", environ, "namespace", "show", "shop"); !strings.Contains(r.out, "retention    720h\n") {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{nil, {"--max-bytes", "many"}, {"--retention", "-1h"}} {
		if r := set(args...); r.code != exitUsage || r.out != "" {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestTheRootTokenMayBeInAFileOfAContext(t *testing.T) {
	t.Parallel()
	s, _, _ := serveTokens(t)
	dir := t.TempDir()
	file, cfg := filepath.Join(dir, "token"), filepath.Join(dir, "cfg", "config.yaml")
	if err := os.WriteFile(file, []byte(rootToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := trivet(t, "", nil, "context", "set", "prod", "--url", s.url, "--token-file", file, "--config", cfg); r != (result{}) {
		t.Fatalf("%+v", r)
	}
	made := trivet(t, "", nil, "token", "create", "web", "--scope", "shop=read,write", "--config", cfg)
	if made.code != exitOK {
		t.Fatalf("%+v", made)
	}
	if r := trivet(t, made.out, nil, "context", "set", "web", "--url", s.url, "--token", "-", "--config", cfg); r != (result{}) {
		t.Fatalf("%+v", r)
	}
	if r := trivet(t, "", nil, "kv", "put", "shop", "k", "v", "--context", "web", "--config", cfg); r.code != exitOK {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", nil, "token", "list", "--context", "web", "--config", cfg); r.code != exitFailed {
		t.Errorf("%+v", r)
	}
	// A variable names a server; the context's token is not for it.
	if r := trivet(t, "", []string{"TRIVET_URL=" + s.url}, "kv", "get", "shop", "k", "--config", cfg); !strings.Contains(r.err, "(unauthenticated)") {
		t.Errorf("%+v", r)
	}
	// The context that a flag names wins over variables.
	unusable := []string{"TRIVET_URL=http://127.0.0.1:1", "TRIVET_TOKEN=wrong"}
	if r := trivet(t, "", unusable, "kv", "get", "shop", "k", "--config", cfg, "--context", "web"); r.code != exitOK || r.out != "v" {
		t.Errorf("%+v", r)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if r := trivet(t, "", nil, "kv", "get", "shop", "k", "--config", cfg); r.code != exitFailed || !strings.Contains(r.err, file) {
		t.Errorf("%+v", r)
	}
}
