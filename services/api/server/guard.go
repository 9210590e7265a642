package server

import (
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
