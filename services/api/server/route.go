package server

import (
	"net/http"
	"slices"
	"strings"
)

// Route is one row of the API.
type Route struct {
	Method string
	Path   string   // a template: {ns} is one segment, {key} the rest of the path
	Query  []string // the parameters that it takes; any other is refused
}

// route is a Route with what serves it.
type route struct {
	Route
	serve func(*call) error

	open    bool // needs no authentication
	vital   bool // is let in when others are shed: health and administration
	endless bool // has no time limit: a stream
	metrics *routeMetrics
}

// Routes gives every route of the API.
func Routes() []Route {
	var routes []Route
	for _, r := range table() {
		routes = append(routes, r.Route)
	}
	return routes
}

func table() []*route {
	key := []string{"key_encoding"}
	page := []string{"limit", "cursor"}
	return []*route{
		{Route: Route{http.MethodGet, "/v1/kv/{ns}/{key}", key}, serve: getValue},
		{Route: Route{http.MethodHead, "/v1/kv/{ns}/{key}", key}, serve: getValue},
		{Route: Route{http.MethodPut, "/v1/kv/{ns}/{key}", key}, serve: putValue},
		{Route: Route{http.MethodDelete, "/v1/kv/{ns}/{key}", key}, serve: deleteValue},
		{Route: Route{http.MethodPost, "/v1/kv/{ns}/{key}/increment", key}, serve: incrementValue},
		{Route: Route{http.MethodGet, "/v1/kv/{ns}", []string{"prefix", "delimiter", "limit", "cursor", "values"}}, serve: listKeys},
		{Route: Route{http.MethodPost, "/v1/batch/{ns}", nil}, serve: runBatch},
		{Route: Route{http.MethodPost, "/v1/txn/{ns}", nil}, serve: runTxn},
		{Route: Route{http.MethodGet, "/v1/watch/{ns}", []string{"prefix", "since", "values"}}, serve: watchChanges, endless: true},
		{Route: Route{http.MethodGet, "/v1/history/{ns}/{key}", []string{"key_encoding", "version", "limit", "cursor"}}, serve: getHistory},
		{Route: Route{http.MethodPost, "/v1/history/{ns}/{key}/restore", key}, serve: restoreVersion},
		{Route: Route{http.MethodGet, "/v1/namespaces", page}, serve: listNamespaces, vital: true},
		{Route: Route{http.MethodGet, "/v1/namespaces/{ns}", nil}, serve: getNamespace, vital: true},
		{Route: Route{http.MethodPut, "/v1/namespaces/{ns}", nil}, serve: putNamespace, vital: true},
		{Route: Route{http.MethodGet, "/v1/operations/{id}", nil}, serve: getOperation},
		{Route: Route{http.MethodGet, "/v1/tokens", nil}, serve: listTokens, vital: true},
		{Route: Route{http.MethodPost, "/v1/tokens", nil}, serve: createToken, vital: true},
		{Route: Route{http.MethodGet, "/v1/tokens/{id}", nil}, serve: getToken, vital: true},
		{Route: Route{http.MethodPost, "/v1/tokens/{id}/rotate", nil}, serve: rotateToken, vital: true},
		{Route: Route{http.MethodDelete, "/v1/tokens/{id}", nil}, serve: revokeToken, vital: true},
		{Route: Route{http.MethodGet, "/openapi.json", nil}, serve: serveOpenAPI, open: true},
		{Route: Route{http.MethodGet, "/docs", nil}, serve: serveDocs, open: true},
		{Route: Route{http.MethodGet, "/docs/errors", nil}, serve: serveDocs, open: true},
		{Route: Route{http.MethodGet, "/docs/reference.js", nil}, serve: serveDocs, open: true},
		{Route: Route{http.MethodGet, "/health", nil}, serve: serveHealth, open: true, vital: true},
		{Route: Route{http.MethodGet, "/ready", nil}, serve: serveReady, open: true, vital: true},
		{Route: Route{http.MethodGet, "/metrics", nil}, serve: serveMetrics, vital: true},
	}
}

// suffix is what follows the key in a path, where something does.
func (r Route) suffix() string {
	_, suffix, _ := strings.Cut(r.Path, "{key}")
	return suffix
}

// pattern is the path in the router's syntax. A suffix is not in it: the
// router takes the rest of the path as the key.
func (r Route) pattern() string {
	path := strings.TrimSuffix(r.Path, r.suffix())
	if !strings.Contains(r.Path, "{key}") {
		path = r.Path
	}
	return strings.NewReplacer("{ns}", ":ns", "{id}", ":id", "{key}", "*key").Replace(path)
}

// matches tells whether a path as it was sent is one of the route.
func (r Route) matches(path string) bool {
	template := r.Path
	for {
		open := strings.IndexByte(template, '{')
		if open < 0 {
			return path == template
		}
		if !strings.HasPrefix(path, template[:open]) {
			return false
		}
		path = path[open:]
		name, rest, _ := strings.Cut(template[open:], "}")
		if name == "{key" {
			return strings.HasSuffix(path, rest)
		}
		segment := strings.IndexByte(path, '/')
		if segment < 0 {
			segment = len(path)
		}
		if segment == 0 {
			return false
		}
		path, template = path[segment:], rest
	}
}

// allowed gives the methods of a path for an Allow header.
func allowed(routes []*route, path string) []string {
	var methods []string
	for _, r := range routes {
		if r.matches(path) && !slices.Contains(methods, r.Method) {
			methods = append(methods, r.Method)
		}
	}
	return methods
}
