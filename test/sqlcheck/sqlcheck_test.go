package sqlcheck_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	sql "github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser"
	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser/statements"
	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/sem/tree"
	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/types"
)

// functions are those that both databases document and that the store may use.
// https://www.cockroachlabs.com/docs/stable/functions-and-operators
var functions = set(
	"array_agg", "cardinality", "clock_timestamp", "count", "extract", "greatest", "nextval", "octet_length",
	"set_config", "substring", "sum", "unnest",
)

// columnTypes are the types that both have under one name. INT8 is written out:
// CockroachDB's INT is not PostgreSQL's.
var columnTypes = set("BOOL", "BYTES", "BYTES[]", "INT2", "INT2[]", "INT8", "INT8[]", "STRING", "STRING[]", "BOOL[]")

// forbidden are words of features that only one of them has.
var forbidden = regexp.MustCompile(`(?i)\b(xid8?|txid_\w+|pg_current_\w+|pg_snapshot_\w+|advisory|notify|listen|serial|ctid|xmin|do\s+\$\$|create\s+(function|trigger|extension|type|domain))\b`)

const packageDir = "../../pkg/kv/postgres"

func set(names ...string) map[string]bool {
	s := map[string]bool{}
	for _, name := range names {
		s[name] = true
	}
	return s
}

// texts gives every statement of the package by where it stands.
func texts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"sql/*.sql", "migrations/*.sql"} {
		files, err := filepath.Glob(filepath.Join(packageDir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found[file] = string(text)
		}
	}
	sources, err := filepath.Glob(filepath.Join(packageDir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range sources {
		if !strings.HasSuffix(file, "_test.go") {
			maps.Copy(found, literals(t, file))
		}
	}
	return found
}

var beginsStatement = regexp.MustCompile(`^(BEGIN|COMMIT|ROLLBACK|SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP|SET|SHOW)\b`)

// literals gives the string literals of a Go file that are statements.
func literals(t *testing.T, file string) map[string]string {
	t.Helper()
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err == nil && beginsStatement.MatchString(text) {
			found[positions.Position(literal.Pos()).String()] = text
		}
		return true
	})
	return found
}

func TestStatements(t *testing.T) {
	t.Parallel()
	all := texts(t)
	if len(all) < 40 {
		t.Fatalf("there are only %d statements", len(all))
	}
	for where, text := range all {
		t.Run(filepath.Base(where), func(t *testing.T) {
			t.Parallel()
			for _, problem := range check(text) {
				t.Errorf("%s: %s", where, problem)
			}
		})
	}
}

// TestCheckFinds holds that the check finds what it is there for.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SELEC 1":                                     "syntax error",
		"SELECT pg_advisory_lock(1)":                  "pg_advisory_lock",
		"SELECT txid_current()":                       "txid_current",
		"SELECT 1 FROM (SELECT now()) AS t":           "now",
		"WITH a AS (SELECT md5('x')) SELECT * FROM a": "md5",
		"INSERT INTO t SELECT random()":               "random",
		"UPDATE t SET a = a WHERE b = any (array(SELECT lower(c) FROM u))": "lower",
		"CREATE TABLE t (a JSONB)": "JSONB",
		"SELECT $1::UUID":          "UUID",
		"LISTEN changes":           "LISTEN",
	} {
		if problems := strings.Join(check(text), "\n"); !strings.Contains(problems, want) {
			t.Errorf("%s: found %q, want %q in it", text, problems, want)
		}
	}
}

// check gives what is wrong with statements.
func check(text string) []string {
	var problems []string
	var code []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "--")
		code = append(code, line)
	}
	if word := forbidden.FindString(strings.Join(code, "\n")); word != "" {
		problems = append(problems, "uses "+word)
	}
	parsed, err := sql.Parse(text)
	if err != nil {
		return append(problems, err.Error())
	}
	used := inspect(parsed)
	for _, name := range slices.Sorted(maps.Keys(used.functions)) {
		if !functions[name] {
			problems = append(problems, "calls "+name+", which is not in the list")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used.types)) {
		if !columnTypes[name] {
			problems = append(problems, "uses the type "+name+", which is not in the list")
		}
	}
	return problems
}

// usage is what statements use.
type usage struct {
	functions, types map[string]bool
	seen             map[uintptr]bool
}

func inspect(parsed statements.Statements) usage {
	u := usage{map[string]bool{}, map[string]bool{}, map[uintptr]bool{}}
	for _, statement := range parsed {
		u.walk(reflect.ValueOf(statement.AST))
	}
	return u
}

// walk looks at all that can be reached from a value. The parser's own visitors
// leave out parts of statements.
func (u usage) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		u.walk(v.Elem())
	case reflect.Pointer:
		if v.IsNil() || u.seen[v.Pointer()] {
			return
		}
		u.seen[v.Pointer()] = true
		if v.CanInterface() {
			switch node := v.Interface().(type) {
			case *types.T:
				u.types[strings.ToUpper(node.SQLString())] = true
				return
			case *tree.FuncExpr:
				u.functions[strings.ToLower(node.Func.String())] = true
			}
		}
		u.walk(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				u.walk(v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			u.walk(v.Index(i))
		}
	default:
	}
}
