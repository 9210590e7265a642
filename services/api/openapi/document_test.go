package openapi_test

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/openapi"
	"github.com/trivetkv/trivet/services/api/server"
)

// document reads the document as any client would, and checks it, its examples
// included.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	document, err := openapi3.NewLoader().LoadFromData(openapi.Document())
	if err != nil {
		return nil, err
	}
	return document, document.Validate(context.Background())
})

func load(t testing.TB) *openapi3.T {
	t.Helper()
	document, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	document := load(t)
	ids := map[string]bool{}
	for _, o := range operations(document) {
		if o.OperationID == "" || ids[o.OperationID] {
			t.Errorf("%s %s has the operation id %q", o.method, o.path, o.OperationID)
		}
		ids[o.OperationID] = true
		if o.Summary == "" || len(o.Tags) != 1 || document.Tags.Get(o.Tags[0]) == nil {
			t.Errorf("%s has the summary %q and the tags %q", o.OperationID, o.Summary, o.Tags)
		}
	}
}

// operation is one operation of the document with its place.
type operation struct {
	*openapi3.Operation
	method, path string
	parameters   openapi3.Parameters // those of its path included
}

func operations(document *openapi3.T) []operation {
	var all []operation
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			all = append(all, operation{o, method, path, append(slices.Clone(item.Parameters), o.Parameters...)})
		}
	}
	return all
}

// Every route is documented with its query parameters, and what is documented
// is routed.
func TestDocumentHoldsTheRoutes(t *testing.T) {
	t.Parallel()
	documented := map[string]string{}
	for _, o := range operations(load(t)) {
		var query []string
		for _, p := range o.parameters {
			if p.Value.In == openapi3.ParameterInQuery {
				query = append(query, p.Value.Name)
			}
			if p.Value.In == openapi3.ParameterInPath && !strings.Contains(o.path, "{"+p.Value.Name+"}") {
				t.Errorf("%s has no %s in its path", o.OperationID, p.Value.Name)
			}
		}
		slices.Sort(query)
		documented[o.method+" "+o.path] = strings.Join(query, " ")
	}
	routed := map[string]string{}
	for _, r := range server.Routes() {
		routed[r.Method+" "+r.Path] = strings.Join(slices.Sorted(slices.Values(r.Query)), " ")
	}
	for route, query := range routed {
		if got, ok := documented[route]; !ok {
			t.Errorf("%s is not documented", route)
		} else if got != query {
			t.Errorf("%s takes the parameters %q, documented are %q", route, query, got)
		}
	}
	for route := range documented {
		if _, ok := routed[route]; !ok {
			t.Errorf("%s is documented, but is no route", route)
		}
	}
}

// The codes of the document are those of package kv, with the statuses and the
// type that the server answers.
func TestDocumentHoldsTheCodes(t *testing.T) {
	t.Parallel()
	document := load(t)
	codes := codesOfKV(t)
	var enumerated []string
	for _, code := range document.Components.Schemas["Code"].Value.Enum {
		enumerated = append(enumerated, code.(string))
	}
	if !slices.Equal(enumerated, codes) {
		t.Errorf("the schema has the codes\n%q, package kv\n%q", enumerated, codes)
	}
	var explained []string
	for _, p := range openapi.Problems() {
		explained = append(explained, p.Code)
		answered := server.Problem(t.Context(), &kv.Error{Code: kv.Code(p.Code)})
		if answered.Status != p.Status {
			t.Errorf("%s is explained with status %d, and answered with %d", p.Code, p.Status, answered.Status)
		}
		if answered.Type != openapi.PathDocs+"#code-"+p.Code {
			t.Errorf("the problem's type of %s is %s", p.Code, answered.Type)
		}
		if p.Meaning == "" || p.Remedy == "" {
			t.Errorf("%s lacks a meaning or a remedy", p.Code)
		}
	}
	if !slices.Equal(explained, codes) {
		t.Errorf("explained are the codes\n%q, package kv has\n%q", explained, codes)
	}
}

// codesOfKV reads the constants of type Code off the source.
func codesOfKV(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../../pkg/kv/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
		return true
	})
	return codes
}

// problemCodes gives the codes that a documented answer may carry.
func problemCodes(t testing.TB, response *openapi3.Response) []string {
	t.Helper()
	media := response.Content["application/problem+json"]
	if media == nil {
		return nil
	}
	raw, err := json.Marshal(media.Schema.Value.AllOf[1].Value)
	if err != nil {
		t.Fatal(err)
	}
	var narrowed struct {
		Properties struct {
			Code struct {
				Const string   `json:"const"`
				Enum  []string `json:"enum"`
			} `json:"code"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &narrowed); err != nil {
		t.Fatal(err)
	}
	code := narrowed.Properties.Code
	if code.Const != "" {
		return []string{code.Const}
	}
	if len(code.Enum) == 0 {
		t.Fatalf("a problem names no code: %s", raw)
	}
	return code.Enum
}

// Each answer's codes belong to its status, and are named in its description.
func TestProblemsBelongToTheirStatus(t *testing.T) {
	t.Parallel()
	statuses := map[string]string{}
	for _, p := range openapi.Problems() {
		statuses[p.Code] = strconv.Itoa(p.Status)
	}
	used := map[string]bool{"method_not_allowed": true} // by no operation
	for _, o := range operations(load(t)) {
		for status, response := range o.Responses.Map() {
			for _, code := range problemCodes(t, response.Value) {
				used[code] = true
				if statuses[code] != status {
					t.Errorf("%s: %s is documented under %s", o.OperationID, code, status)
				}
				if !strings.Contains(*response.Value.Description, "`"+code+"`") {
					t.Errorf("%s %s: the description does not name %s", o.OperationID, status, code)
				}
			}
		}
	}
	for code := range maps.Keys(statuses) {
		if !used[code] {
			t.Errorf("%s is no operation's", code)
		}
	}
}
