package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

// cell is one request and what it takes to be let in. Its status is that of a
// caller who is; everybody else gets 403.
type cell struct {
	route   string // a row of server.Routes
	target  string
	body    string
	subject string        // the key, or the prefix, that is asked for
	needs   []auth.Access // to the subject, all of them
	anyOf   []auth.Access // to all of the namespace, one of them
	root    bool          // administrators of the whole store alone
	status  int
}

const (
	readable   = auth.Read
	writable   = auth.Write
	everything = ""
)

// cells cover every route, with keys and prefixes within and outside of the
// prefix that tokens of the matrix have.
func cells() []cell {
	var all []cell
	for _, key := range []string{"cart/1", "cart/absent", "user/1", "user/absent", "cart"} {
		read, gone := 200, 404
		if key == "cart" || strings.HasSuffix(key, "absent") {
			read = 404
		}
		path := "/v1/kv/shop-eu/" + key
		r, w, rw := []auth.Access{readable}, []auth.Access{writable}, []auth.Access{readable, writable}
		for _, method := range []string{"GET", "HEAD"} {
			all = append(all, cell{route: method + " /v1/kv/{ns}/{key}", target: path, subject: key, needs: r, status: read})
		}
		all = append(all,
			cell{route: "GET /v1/kv/{ns}/{key}", target: "/v1/kv/shop%2deu/" + strings.ReplaceAll(key, "a", "%61"), subject: key, needs: r, status: read},
			cell{route: "PUT /v1/kv/{ns}/{key}", target: path + "-put", body: "v", subject: key + "-put", needs: w, status: 0},
			cell{route: "DELETE /v1/kv/{ns}/{key}", target: path + "-never", subject: key + "-never", needs: w, status: gone},
			cell{route: "POST /v1/kv/{ns}/{key}/increment", target: path + "-n/increment", body: `{"by":1}`, subject: key + "-n", needs: rw, status: 200},
			cell{route: "GET /v1/history/{ns}/{key}", target: "/v1/history/shop-eu/" + key, subject: key, needs: r, status: 200},
			cell{route: "GET /v1/history/{ns}/{key}", target: "/v1/history/shop-eu/" + key + "?version=1", subject: key, needs: r, status: 404},
			cell{route: "POST /v1/history/{ns}/{key}/restore", target: "/v1/history/shop-eu/" + key + "/restore", body: `{"version":1}`, subject: key, needs: w, status: 404},
		)
		txn := func(body string, status int, needs []auth.Access) cell {
			return cell{route: "POST /v1/txn/{ns}", target: "/v1/txn/shop-eu", body: body, subject: key, needs: needs, status: status}
		}
		compare := fmt.Sprintf(`{"key":%q,"target":"version","is":"eq","version":1}`, key)
		all = append(all,
			txn(`{"compare":[`+compare+`]}`, 200, r),
			txn(fmt.Sprintf(`{"success":[{"op":"get","key":%q}]}`, key), 200, r),
			txn(fmt.Sprintf(`{"success":[{"op":"put","key":%q,"value":""}]}`, key+"-txn"), 200, w),
			txn(fmt.Sprintf(`{"success":[{"op":"increment","key":%q,"by":1}]}`, key+"-n"), 200, rw),
			txn(fmt.Sprintf(`{"success":[{"op":"delete","key":%q}]}`, key+"-never"), 404, w),
			// The branch that is not run counts as well, or its outcome would
			// tell what the compares have read.
			txn(fmt.Sprintf(`{"failure":[{"op":"get","key":%q}]}`, key), 200, r),
			txn(fmt.Sprintf(`{"failure":[{"op":"put","key":%q,"value":""}]}`, key), 200, w),
			txn(fmt.Sprintf(`{"failure":[{"op":"increment","key":%q,"by":1}]}`, key), 200, rw),
			txn(fmt.Sprintf(`{"failure":[{"op":"delete","key":%q}]}`, key), 200, w),
			txn(fmt.Sprintf(`{"compare":[%s],"success":[{"op":"put","key":%q,"value":""}]}`, compare, key), 200, rw),
		)
	}
	for _, prefix := range []string{everything, "c", "cart", "cart/", "cart/1", "user/"} {
		for _, delimiter := range []string{"", "&delimiter=/", "&values=true"} {
			all = append(all, cell{route: "GET /v1/kv/{ns}", target: "/v1/kv/shop-eu?prefix=" + prefix + delimiter, subject: prefix, needs: []auth.Access{readable}, status: 200})
		}
		all = append(all, cell{route: "GET /v1/watch/{ns}", target: "/v1/watch/shop-eu?since=0&prefix=" + prefix, subject: prefix, needs: []auth.Access{readable}, status: 200})
	}
	all = append(all,
		cell{route: "GET /v1/kv/{ns}", target: "/v1/kv/shop-eu", needs: []auth.Access{readable}, status: 200},
		cell{route: "GET /v1/watch/{ns}", target: "/v1/watch/shop-eu", needs: []auth.Access{readable}, status: 200},
		cell{route: "GET /v1/namespaces/{ns}", target: "/v1/namespaces/shop-eu", anyOf: []auth.Access{readable, auth.Admin}, status: 200},
		cell{route: "PUT /v1/namespaces/{ns}", target: "/v1/namespaces/shop-eu", body: `{"max_keys":100000}`, needs: []auth.Access{auth.Admin}, status: 200},
		cell{route: "GET /v1/tokens", target: "/v1/tokens", root: true, status: 200},
		cell{route: "POST /v1/tokens", target: "/v1/tokens", body: `{"scopes":[{"namespace":"x","access":["read"]}]}`, root: true, status: 201},
		cell{route: "GET /v1/tokens/{id}", target: "/v1/tokens/000000000000", root: true, status: 404},
		cell{route: "POST /v1/tokens/{id}/rotate", target: "/v1/tokens/000000000000/rotate", root: true, status: 404},
		cell{route: "DELETE /v1/tokens/{id}", target: "/v1/tokens/000000000000", root: true, status: 404},
		cell{route: "GET /metrics", target: "/metrics", root: true, status: 200},
	)
	for _, open := range []string{"/openapi.json", "/docs", "/docs/errors", "/docs/reference.js", "/health", "/ready"} {
		all = append(all, cell{route: "GET " + open, target: open, status: 200})
	}
	return all
}

// elsewhere are routes whose answer depends on more than one scope's yes or no;
// the tests named have their cells.
var elsewhere = map[string]string{
	"POST /v1/batch/{ns}":     "TestScopesOfBatchItems",
	"GET /v1/operations/{id}": "TestScopesOfOperations",
	"GET /v1/namespaces":      "TestScopesOfTheListOfNamespaces",
}

// scopes of the matrix: every pattern, prefix and access.
func matrixScopes() []auth.Scope {
	var scopes []auth.Scope
	for _, pattern := range []string{"*", "shop-*", "shop-eu", "*-eu", "s*p-*u", "shop", "shop-us", "other-*"} {
		for _, access := range [][]auth.Access{{auth.Read}, {auth.Write}, {auth.Read, auth.Write}, {auth.Admin}, {auth.Read, auth.Write, auth.Admin}} {
			scopes = append(scopes, auth.Scope{Namespace: pattern, Access: access})
			if !slices.Contains(access, auth.Admin) {
				scopes = append(scopes, auth.Scope{Namespace: pattern, Prefix: "cart/", Access: access})
			}
		}
	}
	return scopes
}

// matching says by hand what patterns match shop-eu.
var matching = map[string]bool{"*": true, "shop-*": true, "shop-eu": true, "*-eu": true, "s*p-*u": true, "shop": false, "shop-us": false, "other-*": false}

// grants is the matrix's own reading of a scope, apart from the code's.
func grants(s auth.Scope, subject string, access auth.Access) bool {
	if !matching[s.Namespace] || !slices.Contains(s.Access, access) {
		return false
	}
	return s.Prefix == "" || len(subject) >= len(s.Prefix) && subject[:len(s.Prefix)] == s.Prefix
}

func (c cell) lets(s auth.Scope) bool {
	if c.root {
		return s.Namespace == "*" && slices.Contains(s.Access, auth.Admin)
	}
	for _, access := range c.needs {
		if !grants(s, c.subject, access) {
			return false
		}
	}
	for _, access := range c.anyOf {
		if grants(s, everything, access) {
			return true
		}
	}
	return len(c.anyOf) == 0
}

// The scope matrix: what each scope lets its holder do, over HTTP, for every
// route. A route without a cell fails.
func TestScopeMatrix(t *testing.T) {
	t.Parallel()
	r := secured(t)
	for _, key := range []string{"cart/1", "user/1"} {
		r.do(http.MethodPut, "/v1/kv/shop-eu/"+key, as(rootToken), "secret").want(http.StatusCreated, "")
	}
	covered := map[string]bool{}
	all := cells()
	for _, c := range all {
		covered[c.route] = true
	}
	for _, route := range server.Routes() {
		name := route.Method + " " + route.Path
		if _, ok := elsewhere[name]; !covered[name] && !ok {
			t.Errorf("%s has no cell", name)
		}
	}
	asserted := 0
	for _, scope := range matrixScopes() {
		made := r.newToken(scope)
		refusals := map[string]string{}
		for _, c := range all {
			method, _, _ := strings.Cut(c.route, " ")
			got := r.first(method, c.target, as(made.Token), c.body)
			asserted++
			name := fmt.Sprintf("%s %q of %s: %s %s %s", scope.Access, scope.Prefix, scope.Namespace, method, c.target, c.body)
			if !c.lets(scope) {
				if got.status != http.StatusForbidden {
					t.Errorf("%s: got %d %s, want 403", name, got.status, clip(got.body))
				}
				if method == http.MethodHead {
					continue
				}
				// What is refused is refused alike, whether it exists or not.
				var problem struct{ Detail, Code string }
				got.json(&problem)
				if before, ok := refusals[c.route]; problem.Code != "forbidden" || ok && !c.root && before != problem.Detail && len(c.needs) == 1 && c.route != "POST /v1/txn/{ns}" {
					t.Errorf("%s: refused as %s, and before as %s", name, problem.Detail, before)
				}
				refusals[c.route] = problem.Detail
				continue
			}
			if got.status != c.status && (c.status != 0 || got.status/100 != 2) {
				t.Errorf("%s: got %d %s, want %d", name, got.status, clip(got.body), c.status)
			}
		}
	}
	// Without a token nothing but what is open is answered.
	for _, c := range all {
		method, _, _ := strings.Cut(c.route, " ")
		want := http.StatusUnauthorized
		if !c.root && c.needs == nil && c.anyOf == nil {
			want = c.status
		}
		asserted++
		if got := r.first(method, c.target, nil, c.body); got.status != want {
			t.Errorf("without a token: %s: got %d, want %d", c.route, got.status, want)
		}
	}
	t.Logf("%d cells", asserted)
}

// first sends a request and reads its answer, of a stream the status alone.
func (r *rig) first(method, target string, h header, body string) answer {
	r.t.Helper()
	if !strings.HasPrefix(target, "/v1/watch/") {
		return r.do(method, target, h, body)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	response, err := r.client.Do(r.request(method, target, h, nil).WithContext(ctx))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return answer{t: r.t, status: response.StatusCode, header: response.Header}
	}
	buf := make([]byte, 4096)
	n, _ := response.Body.Read(buf)
	return answer{t: r.t, status: response.StatusCode, header: response.Header, body: buf[:n]}
}

// Each operation of a batch is let in, or refused, by itself.
func TestScopesOfBatchItems(t *testing.T) {
	t.Parallel()
	r := secured(t)
	r.do(http.MethodPut, "/v1/kv/shop-eu/user/1", as(rootToken), "secret").want(http.StatusCreated, "")
	type item struct {
		op      string
		key     string
		needs   []auth.Access
		allowed []int
	}
	var items []item
	var operations []string
	for _, dir := range []string{"cart/", "user/"} {
		for _, i := range []item{
			{`"op":"get"`, dir + "1", []auth.Access{auth.Read}, []int{200, 404}},
			{`"op":"get"`, dir + "absent", []auth.Access{auth.Read}, []int{404}},
			{`"op":"put","value":""`, dir + "put", []auth.Access{auth.Write}, []int{200, 201}},
			{`"op":"put","value":"","if_absent":true`, dir + "put", []auth.Access{auth.Write}, []int{412}},
			{`"op":"delete"`, dir + "never", []auth.Access{auth.Write}, []int{404}},
			{`"op":"increment","by":1`, dir + "n", []auth.Access{auth.Read, auth.Write}, []int{200}},
		} {
			items = append(items, i)
			operations = append(operations, fmt.Sprintf(`{%s,"key":%q}`, i.op, i.key))
		}
	}
	body := `{"operations":[` + strings.Join(operations, ",") + `]}`
	for _, scope := range matrixScopes() {
		made := r.newToken(scope)
		var got struct {
			Results []struct {
				Status  int
				Key     string
				Problem *struct{ Code, Detail string }
			}
		}
		r.do(http.MethodPost, "/v1/batch/shop-eu", as(made.Token), body).want(http.StatusOK, "*").json(&got)
		for n, i := range items {
			allowed := !slices.ContainsFunc(i.needs, func(a auth.Access) bool { return !grants(scope, i.key, a) })
			result := got.Results[n]
			switch {
			case allowed && !slices.Contains(i.allowed, result.Status):
				t.Errorf("%v: %s %s: got %+v, want %v", scope, i.op, i.key, result, i.allowed)
			case !allowed && (result.Status != http.StatusForbidden || result.Problem == nil || result.Problem.Code != "forbidden" || result.Key != ""):
				t.Errorf("%v: %s %s: got %+v, want 403", scope, i.op, i.key, result)
			}
		}
	}
}

// An operation is shown to who may read or write its key. To all others it
// reads like one that was never made.
func TestScopesOfOperations(t *testing.T) {
	t.Parallel()
	r := secured(t)
	applied, never := kv.NewWriteID(time.Now()), kv.NewWriteID(time.Now())
	op := kv.Operation{Kind: kv.KindPut, Key: "cart/1", Value: []byte("v")}
	if _, err := r.store.Apply(t.Context(), "shop-eu", op, kv.Identity{ID: applied, Deferred: true}); err != nil {
		t.Fatal(err)
	}
	for _, scope := range matrixScopes() {
		made := r.newToken(scope)
		want := "pending"
		if grants(scope, "cart/1", auth.Read) || grants(scope, "cart/1", auth.Write) {
			want = "applied"
		}
		for id, state := range map[string]string{applied.String(): want, never.String(): "pending"} {
			var got struct{ State string }
			a := r.do(http.MethodGet, "/v1/operations/"+id, as(made.Token), "").want(http.StatusOK, "*")
			a.json(&got)
			if got.State != state || state == "pending" && string(a.body) != fmt.Sprintf("{\"id\":%q,\"state\":\"pending\"}\n", id) {
				t.Errorf("%v: got %s, want %s", scope, a.body, state)
			}
		}
	}
	for _, prefix := range []string{"user/", "cart/2"} {
		made := r.newToken(auth.Scope{Namespace: "shop-eu", Prefix: prefix, Access: []auth.Access{auth.Read, auth.Write}})
		r.do(http.MethodGet, "/v1/operations/"+applied.String(), as(made.Token), "").want(http.StatusOK, fmt.Sprintf("{\"id\":%q,\"state\":\"pending\"}\n", applied))
	}
}

// The list of namespaces shows those that a caller may read as a whole, or
// administer, and its cursor is none of the others'.
func TestScopesOfTheListOfNamespaces(t *testing.T) {
	t.Parallel()
	r := secured(t)
	names := []string{"aaa", "other-eu", "shop", "shop-eu", "shop-us", "shop-zz", "zzz"}
	for _, ns := range names {
		r.do(http.MethodPut, "/v1/kv/"+ns+"/k", as(rootToken), "v").want(http.StatusCreated, "")
	}
	for _, c := range []struct {
		scope auth.Scope
		want  []string
	}{
		{may("*", auth.Admin), names},
		{may("*", auth.Read), names},
		{may("*", auth.Write), nil},
		{may("shop-*", auth.Read), []string{"shop-eu", "shop-us", "shop-zz"}},
		{may("shop-*", auth.Admin), []string{"shop-eu", "shop-us", "shop-zz"}},
		{may("*-eu", auth.Read), []string{"other-eu", "shop-eu"}},
		{auth.Scope{Namespace: "*", Prefix: "k", Access: []auth.Access{auth.Read, auth.Write}}, nil},
		{may("none", auth.Read, auth.Admin), nil},
	} {
		made := r.newToken(c.scope)
		for limit := 1; limit <= 3; limit++ {
			var got []string
			for cursor := ""; ; {
				var page struct {
					Namespaces []struct{ Name string }
					Cursor     string
				}
				a := r.do(http.MethodGet, fmt.Sprintf("/v1/namespaces?limit=%d&cursor=%s", limit, cursor), as(made.Token), "").want(http.StatusOK, "*")
				if err := json.Unmarshal(a.body, &page); err != nil {
					t.Fatal(err)
				}
				for _, n := range page.Namespaces {
					got = append(got, n.Name)
				}
				if cursor = page.Cursor; cursor == "" {
					break
				}
				if !slices.Contains(c.want, cursor) {
					t.Fatalf("%v: the cursor is %s", c.scope, cursor)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v by %d: got %v, want %v", c.scope, limit, got, c.want)
			}
		}
	}
}
