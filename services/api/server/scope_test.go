package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/auth"
)

// A key is held against scopes as what it is, however a path writes it.
func TestScopesHoldHoweverAKeyIsWritten(t *testing.T) {
	t.Parallel()
	r := secured(t)
	made := r.newToken(auth.Scope{Namespace: "shop-eu", Prefix: "cart/", Access: []auth.Access{auth.Read, auth.Write}})
	everyByte := func(key string) string {
		var path strings.Builder
		for _, b := range []byte(key) {
			fmt.Fprintf(&path, "%%%02x", b)
		}
		return path.String()
	}
	forms := map[string]func(key string) (path, query string){
		"plain":           func(key string) (string, string) { return key, "" },
		"percent-encoded": func(key string) (string, string) { return everyByte(key), "" },
		"base64": func(key string) (string, string) {
			return base64.RawURLEncoding.EncodeToString([]byte(key)), "?key_encoding=base64"
		},
	}
	for key, allowed := range map[string]bool{"cart/1": true, "cart//..": true, "cart/\x00": true, "user/1": false, "Cart/1": false, "cart": false, "cart\\1": false, "/cart/1": false, "\xffcart/1": false} {
		for form, write := range forms {
			path, query := write(key)
			if form == "plain" && (key != "cart/1" && key != "user/1" && key != "cart" && key != "Cart/1") {
				continue // which a client cannot send so
			}
			for _, call := range [][3]string{
				{"PUT", "/v1/kv/shop-eu/" + path, "1"}, {"GET", "/v1/kv/shop-eu/" + path, ""}, {"POST", "/v1/kv/shop-eu/" + path + "/increment", `{"by":1}`},
				{"GET", "/v1/history/shop-eu/" + path, ""}, {"POST", "/v1/history/shop-eu/" + path + "/restore", `{"version":1}`}, {"DELETE", "/v1/kv/shop-eu/" + path, ""},
			} {
				a := r.do(call[0], call[1]+query, as(made.Token), call[2])
				if (a.status != http.StatusForbidden) != allowed || a.status == http.StatusBadRequest {
					t.Errorf("%q, %s: %s %s: got %d %s", key, form, call[0], call[1]+query, a.status, clip(a.body))
				}
			}
		}
	}
}

// Scopes add up by key: what one grants here, and another there, is not
// granted together anywhere.
func TestScopesDoNotLendEachOtherTheirAccess(t *testing.T) {
	t.Parallel()
	r := secured(t)
	made := r.newToken(
		auth.Scope{Namespace: "shop-eu", Prefix: "cart/", Access: []auth.Access{auth.Read}},
		auth.Scope{Namespace: "shop-*", Prefix: "user/", Access: []auth.Access{auth.Write}},
		auth.Scope{Namespace: "shop-eu", Prefix: "both/", Access: []auth.Access{auth.Read}},
		auth.Scope{Namespace: "*-eu", Prefix: "both/", Access: []auth.Access{auth.Write}},
	)
	for _, tt := range []struct {
		method, target, body string
		want                 int
	}{
		{"GET", "/v1/kv/shop-eu/cart/1", "", 404},
		{"PUT", "/v1/kv/shop-eu/cart/1", "v", 403},
		{"PUT", "/v1/kv/shop-eu/user/1", "v", 201},
		{"GET", "/v1/kv/shop-eu/user/1", "", 403},
		{"PUT", "/v1/kv/shop-us/user/1", "v", 201},
		{"GET", "/v1/kv/shop-us/cart/1", "", 403},
		{"POST", "/v1/kv/shop-eu/cart/n/increment", `{"by":1}`, 403},
		{"POST", "/v1/kv/shop-eu/user/n/increment", `{"by":1}`, 403},
		{"POST", "/v1/kv/shop-eu/both/n/increment", `{"by":1}`, 200},
		{"POST", "/v1/kv/shop-us/both/n/increment", `{"by":1}`, 403},
		{"GET", "/v1/kv/shop-eu?prefix=cart/", "", 200},
		{"GET", "/v1/kv/shop-eu?prefix=user/", "", 403},
		{"GET", "/v1/kv/shop-eu?prefix=", "", 403},
		{"GET", "/v1/watch/shop-eu?prefix=user/", "", 403},
		{"GET", "/v1/history/shop-eu/user/1", "", 403},
	} {
		if a := r.do(tt.method, tt.target, as(made.Token), tt.body); a.status != tt.want {
			t.Errorf("%s %s: got %d %s, want %d", tt.method, tt.target, a.status, clip(a.body), tt.want)
		}
	}
}

// A transaction is let in whole or not at all, wherever in it the key is that
// its caller may not touch; and nothing of it is done.
func TestScopesOfMixedTransactions(t *testing.T) {
	t.Parallel()
	r := secured(t)
	made := r.newToken(auth.Scope{Namespace: "shop-eu", Prefix: "cart/", Access: []auth.Access{auth.Read, auth.Write}})
	mine := `{"op":"put","key":"cart/1","value":""}`
	for _, op := range []string{`"op":"get"`, `"op":"put","value":""`, `"op":"delete"`, `"op":"increment","by":1`} {
		others := `{` + op + `,"key":"user/1"}`
		for _, body := range []string{
			`{"success":[` + mine + `,` + others + `]}`,
			`{"success":[` + others + `,` + mine + `]}`,
			`{"success":[` + mine + `],"failure":[` + others + `]}`,
			`{"compare":[{"key":"cart/1","target":"exists","is":"eq","exists":true}],"success":[` + others + `],"failure":[` + mine + `]}`,
		} {
			r.do(http.MethodPost, "/v1/txn/shop-eu", as(made.Token), body).want(http.StatusForbidden, "*")
		}
	}
	for _, compare := range []string{`"target":"exists","is":"eq","exists":false`, `"target":"value","is":"eq","value":""`, `"target":"version","is":"gt","version":0`} {
		r.do(http.MethodPost, "/v1/txn/shop-eu", as(made.Token), `{"compare":[{"key":"user/1",`+compare+`}],"success":[`+mine+`]}`).want(http.StatusForbidden, "*")
	}
	r.do(http.MethodGet, "/v1/kv/shop-eu/cart/1", as(made.Token), "").want(http.StatusNotFound, "*")
}

// An asynchronous write is held against scopes when it is accepted.
func TestScopesOfAsynchronousWrites(t *testing.T) {
	t.Parallel()
	_, with := withBroker(t)
	r := secured(t, with)
	made := r.newToken(auth.Scope{Namespace: "shop-eu", Prefix: "cart/", Access: []auth.Access{auth.Write}})
	async := func(method, key, body string) answer {
		return r.do(method, "/v1/kv/shop-eu/"+key, headers("Authorization", "Bearer "+made.Token, "Prefer", "respond-async"), body)
	}
	async(http.MethodPut, "cart/1", "v").want(http.StatusAccepted, "*")
	async(http.MethodDelete, "cart/1", "").want(http.StatusAccepted, "*")
	async(http.MethodPut, "user/1", "v").want(http.StatusForbidden, "*")
	async(http.MethodDelete, "user/1", "").want(http.StatusForbidden, "*")
	async(http.MethodPost, "cart/n/increment", `{"by":1}`).want(http.StatusForbidden, "*") // which would tell what was there
}
