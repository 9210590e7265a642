package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

func TestEveryByteOfThePathBehindTheNamespaceIsTheKey(t *testing.T) {
	t.Parallel()
	r := start(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	escaped := func(key string) string {
		var b strings.Builder
		for i := range len(key) {
			fmt.Fprintf(&b, "%%%02x", key[i])
		}
		return b.String()
	}
	for path, key := range map[string]string{
		"a":                                   "a",
		"a/b":                                 "a/b",
		"a%2Fb":                               "a/b",
		"a%2fb%22\"":                          `a/b""`,
		"/leading":                            "/leading",
		"//":                                  "//",
		"a//b":                                "a//b",
		"trailing/":                           "trailing/",
		"..":                                  "..",
		"../x":                                "../x",
		"./a/../b":                            "./a/../b",
		"%2e%2E":                              "..",
		"%00":                                 "\x00",
		"a%00b":                               "a\x00b",
		"%ff%fe":                              "\xff\xfe",
		"a+b%20c":                             "a+b c",
		"100%25":                              "100%",
		"a%3Fb%23c":                           "a?b#c",
		"a#b":                                 "a#b",
		"a:b@c;d=e,f&g$h!i*j(k)'l":            "a:b@c;d=e,f&g$h!i*j(k)'l",
		"*key":                                "*key",
		":ns":                                 ":ns",
		"increment":                           "increment",
		"x/increment":                         "x/increment",
		"%C3%A9t%C3%A9":                       "été",
		"\u00e9":                              "é",
		escaped(string(every)):                string(every),
		strings.Repeat("k", 1024):             strings.Repeat("k", 1024),
		escaped(strings.Repeat("\x01", 1024)): strings.Repeat("\x01", 1024),
	} {
		t.Run(fmt.Sprintf("%.40q", path), func(t *testing.T) {
			value := fmt.Sprintf("value of %q", key)
			r.put("/v1/kv/ns/"+path, value).want(http.StatusCreated, "")
			entry, err := r.store.Get(t.Context(), "ns", key, kv.ReadOptions{})
			if err != nil || string(entry.Value) != value {
				t.Fatalf("the store has %q, %v", entry.Value, err)
			}
			r.get("/v1/kv/ns/"+path).want(http.StatusOK, value)
			r.get("/v1/kv/ns/"+base64.RawURLEncoding.EncodeToString([]byte(key))+"?key_encoding=base64").want(http.StatusOK, value)
			r.get("/v1/kv/ns/"+base64.URLEncoding.EncodeToString([]byte(key))+"?key_encoding=base64").want(http.StatusOK, value)
			r.delete("/v1/kv/ns/"+path).want(http.StatusNoContent, "")
		})
	}
}

func TestOnlyPostTakesTheLastSegmentAsAnAction(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/n/increment", "of the key").want(http.StatusCreated, "")
	r.post("/v1/kv/ns/n/increment", `{"by":2}`).want(http.StatusOK, "*")
	r.get("/v1/kv/ns/n").want(http.StatusOK, "2")
	r.get("/v1/kv/ns/n/increment").want(http.StatusOK, "of the key")
	r.put("/v1/kv/ns/m/increment", "1").want(http.StatusCreated, "")
	r.post("/v1/kv/ns/m/increment/increment", `{"by":2}`).want(http.StatusOK, "*")
	r.get("/v1/kv/ns/m/increment").want(http.StatusOK, "3")
	r.post("/v1/kv/ns/"+base64.RawURLEncoding.EncodeToString([]byte("m/increment"))+"/increment?key_encoding=base64", `{"by":2}`).want(http.StatusOK, "*")
	r.get("/v1/kv/ns/m/increment").want(http.StatusOK, "5")
}

func TestNothingIsRedirectedOrCleaned(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/k", "v")
	for _, path := range []string{"/v1/kv/ns/k/", "/v1//kv/ns/k", "/v1/kv/ns/../ns/k", "/v1/../v1/kv/ns/k", "/V1/KV/ns/k", "/v1%2Fkv/ns/k", "/v1/kv%2Fns/k", "/health/"} {
		if a := r.get(path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestTwoSlashesAtTheFrontArePartOfThePath(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/k", "v")
	answer := r.raw("GET //v1/kv/ns/k HTTP/1.1\r\nHost: " + r.host + "\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 404 Not Found\r\n") {
		t.Errorf("got %s", answer)
	}
}

func TestTheAbsoluteFormOfATargetIsTheSame(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/a%2Fb", "v").want(http.StatusCreated, "")
	answer := r.raw("GET http://" + r.host + "/v1/kv/ns/a%2fb?key_encoding= HTTP/1.1\r\nHost: " + r.host + "\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(answer, "\r\n\r\nv") {
		t.Errorf("got %s", answer)
	}
}

func TestTargetsThatAreNoPathAreNotThere(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, line := range []string{"OPTIONS *", "CONNECT " + r.host, "GET http://" + r.host, "GET *"} {
		answer := r.raw(line + " HTTP/1.1\r\nHost: " + r.host + "\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 404 Not Found\r\n") || !strings.Contains(answer, `"code":"not_found"`) {
			t.Errorf("%s: got %s", line, answer)
		}
	}
}
