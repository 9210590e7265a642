// Command schema writes what is derived from the types of a stack's
// configuration: the JSON schema by which editors complete and check stack
// files, and the page that lists every setting.
//
// Run it in the repository's root: go run ./infra/stack/schema
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// Where the derived files are, from the repository's root.
const (
	schemaFile = "stacks/stack.schema.json"
	pageFile   = "docs/settings.md"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	settings, err := readSettings(root)
	if err != nil {
		return err
	}
	schema, err := schemaOf(settings)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, schemaFile), schema, 0o644); err != nil { //nolint:gosec // a file of the repository
		return err
	}
	return os.WriteFile(filepath.Join(root, pageFile), []byte(pageOf(settings)), 0o644) //nolint:gosec // a file of the repository
}
