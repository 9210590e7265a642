package source

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
)

// pkg is the part of a package's source that a schema is made from.
type pkg struct {
	folder  string // of the root package, in import paths
	path    string // below the provider's root package; what types are named by
	structs map[string][]field
	basics  map[string]schema.Type // named types of a basic kind: enumerations
	calls   []call
}

type field struct {
	name string // in Go
	tag  string // the property's name; empty when it is none
	typ  ast.Expr
	doc  string
	file *file
}

// file is what the names of packages mean in a file: import paths.
type file struct{ imports map[string]string }

// call is a function of the SDK that registers a resource or invokes a
// function of the provider.
type call struct {
	method   string // RegisterResource or Invoke
	token    string
	args     string   // name of the type of its arguments, without the star
	result   string   // likewise of what it fills
	required []string // Go names of arguments that it refuses to miss
	secrets  []string // properties that it marks as secret outputs
}

// parse reads the files of a package, without its tests.
func parse(dir, folder, path string) (*pkg, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	p := &pkg{folder: folder, path: path, structs: map[string][]field{}, basics: map[string]schema.Type{}}
	files := token.NewFileSet()
	for _, entry := range entries {
		name := entry.Name()
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || name == "doc.go" || name == "init.go" {
			continue
		}
		parsed, err := parser.ParseFile(files, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		f := &file{imports: importsOf(parsed)}
		for _, declaration := range parsed.Decls {
			switch d := declaration.(type) {
			case *ast.GenDecl:
				p.addTypes(d, f)
			case *ast.FuncDecl:
				p.addCall(d)
			}
		}
	}
	return p, nil
}

func importsOf(parsed *ast.File) map[string]string {
	imports := map[string]string{}
	for _, spec := range parsed.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imports[name] = path
	}
	return imports
}

func (p *pkg) addTypes(declaration *ast.GenDecl, in *file) {
	for _, spec := range declaration.Specs {
		named, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		switch t := named.Type.(type) {
		case *ast.Ident:
			if basic, ok := basicTypes[t.Name]; ok {
				p.basics[named.Name.Name] = basic
			}
		case *ast.StructType:
			if fields := fieldsOf(t, in); len(fields) > 0 || len(t.Fields.List) == 0 {
				p.structs[named.Name.Name] = fields
			}
		}
	}
}

func fieldsOf(t *ast.StructType, in *file) []field {
	var fields []field
	for _, f := range t.Fields.List {
		if f.Tag == nil || len(f.Names) != 1 {
			continue
		}
		literal, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			continue
		}
		if tag := reflect.StructTag(literal).Get("pulumi"); tag != "" {
			tag, _, _ = strings.Cut(tag, ",")
			fields = append(fields, field{name: f.Names[0].Name, tag: tag, typ: f.Type, doc: f.Doc.Text(), file: in})
		}
	}
	return fields
}

// addCall keeps a function that calls ctx.RegisterResource or ctx.Invoke.
func (p *pkg) addCall(function *ast.FuncDecl) {
	if function.Recv != nil || function.Body == nil || strings.HasSuffix(function.Name.Name, "Output") {
		return
	}
	c := call{args: parameterType(function, "args")}
	ast.Inspect(function.Body, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ValueSpec: // var resource Subnet
			if name, ok := n.Type.(*ast.Ident); ok && len(n.Names) == 1 && (n.Names[0].Name == "resource" || n.Names[0].Name == "rv") {
				c.result = name.Name
			}
		case *ast.IfStmt:
			if name, ok := refusedWhenNil(n); ok {
				c.required = append(c.required, name)
			}
		case *ast.CallExpr:
			selector, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch selector.Sel.Name {
			case "RegisterResource", "Invoke":
				if text, ok := stringLiteral(n.Args[0]); ok {
					c.method, c.token = selector.Sel.Name, text
				}
			case "AdditionalSecretOutputs":
				c.secrets = append(c.secrets, stringsOf(n.Args[0])...)
			}
		}
		return true
	})
	if c.method != "" {
		p.calls = append(p.calls, c)
	}
}

func parameterType(function *ast.FuncDecl, name string) string {
	for _, parameter := range function.Type.Params.List {
		if len(parameter.Names) == 1 && parameter.Names[0].Name == name {
			if star, ok := parameter.Type.(*ast.StarExpr); ok {
				if ident, ok := star.X.(*ast.Ident); ok {
					return ident.Name
				}
			}
		}
	}
	return ""
}

// refusedWhenNil gives X of `if args.X == nil { return nil, errors.New(…) }`.
func refusedWhenNil(statement *ast.IfStmt) (string, bool) {
	condition, ok := statement.Cond.(*ast.BinaryExpr)
	if !ok || condition.Op != token.EQL {
		return "", false
	}
	selector, ok := condition.X.(*ast.SelectorExpr)
	if !ok || len(statement.Body.List) != 1 {
		return "", false
	}
	if _, returns := statement.Body.List[0].(*ast.ReturnStmt); !returns {
		return "", false
	}
	return selector.Sel.Name, true
}

func stringLiteral(expression ast.Expr) (string, bool) {
	literal, ok := expression.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

func stringsOf(expression ast.Expr) []string {
	composite, ok := expression.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var texts []string
	for _, element := range composite.Elts {
		if text, ok := stringLiteral(element); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// addTo adds what the package declares to the provider's schema.
func (p *pkg) addTo(provider *schema.Provider) error {
	for name, fields := range p.structs {
		properties, err := p.properties(fields, plainRequired)
		if err != nil {
			continue // the outputs' and inputs' forms of a type, which are none of our plain types
		}
		provider.Types[p.typeName(name)] = properties
	}
	if fields, ok := p.structs["providerArgs"]; ok {
		config, err := p.properties(fields, plainRequired)
		if err != nil {
			return err
		}
		provider.Config = config
	}
	for _, c := range p.calls {
		if strings.HasPrefix(c.token, "pulumi:providers:") {
			continue
		}
		var err error
		switch c.method {
		case "RegisterResource":
			err = p.addResource(provider, c)
		case "Invoke":
			err = p.addFunction(provider, c)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.token, err)
		}
	}
	return nil
}

func (p *pkg) addResource(provider *schema.Provider, c call) error {
	args, state := p.structs[lowerFirst(c.args)], p.structs[lowerFirst(c.result)+"State"]
	inputs, err := p.properties(args, func(f field) bool { return slices.Contains(c.required, f.name) })
	if err != nil {
		return err
	}
	always := map[string]bool{}
	for _, f := range p.structs[c.result] {
		always[f.tag] = !isPointerOutput(f.typ)
	}
	for name, t := range inputs { // what Go cannot tell apart: a list that is absent, and one that is computed
		if !t.Required() && (strings.HasPrefix(string(t), "[]") || strings.HasPrefix(string(t), "map[")) {
			always[name] = false
		}
	}
	outputs, err := p.properties(state, func(f field) bool { return always[f.tag] })
	if err != nil {
		return err
	}
	if len(state) == 0 { // without a State, outputs are known by name alone
		outputs = schema.Properties{}
		for tag := range always {
			outputs[tag] = "any"
		}
	}
	r := &schema.Resource{Inputs: inputs, Outputs: outputs, Secrets: c.secrets}
	for _, f := range args {
		if replacement.MatchString(strings.Join(strings.Fields(f.doc), " ")) {
			r.Replaces = append(r.Replaces, f.tag)
		}
	}
	provider.Resources[c.token] = r
	return nil
}

// replacement is how documentation says that another value makes another
// resource.
var replacement = regexp.MustCompile(`(?i)forces? (?:a )?new|forces? (?:the )?(?:replacement|recreation)|` +
	`(?:will|to) (?:destroy and )?(?:re-?create|replace) the|chang[a-z]+ (?:this|the)[^.]{0,40} (?:creates|forces|requires) (?:a )?new`)

func (p *pkg) addFunction(provider *schema.Provider, c call) error {
	inputs, err := p.properties(p.structs[c.args], plainRequired)
	if err != nil {
		return err
	}
	outputs, err := p.properties(p.structs[c.result], plainRequired)
	if err != nil {
		return err
	}
	provider.Functions[c.token] = &schema.Function{Inputs: inputs, Outputs: outputs}
	return nil
}

func (p *pkg) properties(fields []field, required func(field) bool) (schema.Properties, error) {
	properties := schema.Properties{}
	for _, f := range fields {
		t, err := p.typeOf(f.typ, f.file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if required(f) {
			t = "!" + t
		}
		properties[f.tag] = t
	}
	return properties, nil
}

// plainRequired holds for a plain field that cannot be left out: neither a
// pointer nor, as nothing tells whether these may be empty, a list or a map.
func plainRequired(f field) bool {
	switch t := f.typ.(type) {
	case *ast.Ident:
		return t.Name != "interface{}" && t.Name != "any"
	case *ast.SelectorExpr:
		return true
	}
	return false
}

var basicTypes = map[string]schema.Type{
	"string": "string", "bool": "bool", "int": "int", "float64": "number", "any": "any",
}

// typeOf gives the type of a plain field; those of inputs and outputs are
// errors.
func (p *pkg) typeOf(expression ast.Expr, in *file) (schema.Type, error) {
	switch t := expression.(type) {
	case *ast.StarExpr:
		return p.typeOf(t.X, in)
	case *ast.InterfaceType:
		return "any", nil
	case *ast.ArrayType:
		element, err := p.typeOf(t.Elt, in)
		return "[]" + element, err
	case *ast.MapType:
		element, err := p.typeOf(t.Value, in)
		return "map[string]" + element, err
	case *ast.Ident:
		if basic, ok := basicTypes[t.Name]; ok {
			return basic, nil
		}
		if basic, ok := p.basics[t.Name]; ok {
			return basic, nil
		}
		if _, ok := p.structs[t.Name]; ok {
			return schema.Type(p.typeName(t.Name)), nil
		}
	case *ast.SelectorExpr:
		packageName, ok := t.X.(*ast.Ident)
		if !ok {
			break
		}
		if packageName.Name != "pulumi" {
			path := in.imports[packageName.Name]
			if _, below, found := strings.Cut(path, "/"+p.folder+"/"); found {
				return schema.Type(below + "." + t.Sel.Name), nil
			}
			return "any", nil
		}
		switch t.Sel.Name {
		case "Asset", "Archive", "AssetOrArchive":
			return "asset", nil
		}
	}
	return "", fmt.Errorf("no plain type: %T", expression)
}

// typeName names a type of the package.
func (p *pkg) typeName(name string) string { return cmp.Or(p.path, "index") + "." + name }

// isPointerOutput tells an output that may be absent: pulumi.StringPtrOutput.
func isPointerOutput(expression ast.Expr) bool {
	switch t := expression.(type) {
	case *ast.SelectorExpr:
		return strings.HasSuffix(t.Sel.Name, "PtrOutput")
	case *ast.Ident:
		return strings.HasSuffix(t.Name, "PtrOutput")
	}
	return false
}

func lowerFirst(name string) string {
	runes := []rune(name)
	if len(runes) > 0 {
		runes[0] = unicode.ToLower(runes[0])
	}
	return string(runes)
}
