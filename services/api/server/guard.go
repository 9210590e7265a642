package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
)

// checkLocal refuses requests that a page of another site makes a browser send
// to a server without authentication: by a name of its own that resolves to
// this machine (DNS rebinding, a foreign Host), or straight across sites (a
// foreign Origin).
func checkLocal(r *http.Request) error {
	if !isLoopback(r.Host) {
		return &kv.Error{
			Code:   kv.CodeForbidden,
			Field:  "Host",
			Detail: "without authentication this server answers to loopback names and addresses only",
		}
	}
	for _, origin := range r.Header["Origin"] {
		u, err := url.Parse(origin)
		if err != nil || !isLoopback(u.Host) {
			return &kv.Error{
				Code:   kv.CodeForbidden,
				Field:  "Origin",
				Detail: "without authentication this server takes no requests from pages of other sites",
			}
		}
	}
	return nil
}

// isLoopback tells whether a host, with or without a port, is this machine by
// definition rather than by what a resolver says.
func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// RootToken accepts one bearer token, an administrator's. The time that it
// takes says nothing about the token.
func RootToken(token string) func(*http.Request) (Principal, error) {
	want := sha256.Sum256([]byte(token))
	return func(r *http.Request) (Principal, error) {
		values := r.Header["Authorization"]
		if len(values) == 0 {
			return Principal{}, kv.Errorf(kv.CodeUnauthenticated, "a bearer token is needed: Authorization: Bearer TOKEN")
		}
		scheme, given, ok := strings.Cut(values[0], " ")
		if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") {
			return Principal{}, kv.Errorf(kv.CodeUnauthenticated, "the Authorization header has to be: Bearer TOKEN")
		}
		got := sha256.Sum256([]byte(given))
		if token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return Principal{}, kv.Errorf(kv.CodeUnauthenticated, "the token is not known")
		}
		return Principal{ID: "root", Administrator: true}, nil
	}
}
