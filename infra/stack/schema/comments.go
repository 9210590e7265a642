package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// comments are the texts behind the fields of structs, by Type.Field.
type comments map[string]string

// readComments reads the sources of packages.
func readComments(root string, packages ...string) (comments, error) {
	found := comments{}
	for _, folder := range packages {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no Go files in %s; run this in the repository's root", folder)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			found.collect(file)
		}
	}
	return found, nil
}

func (c comments) collect(file *ast.File) {
	ast.Inspect(file, func(node ast.Node) bool {
		declared, ok := node.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if fields, ok := declared.Type.(*ast.StructType); ok {
			for _, field := range fields.Fields.List {
				text := strings.TrimSpace(field.Doc.Text() + field.Comment.Text())
				for _, name := range field.Names {
					c[declared.Name.Name+"."+name.Name] = text
				}
			}
		}
		return false
	})
}
