// Command generate writes the schemas of the stand-in providers from the
// source of the providers' Go SDKs in the module cache. Run it in this module
// with `go generate ./rehearsal/schema` after an SDK's version has changed, or
// when a package of it is used for the first time (which goes into the list
// in source.Providers).
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/trivetkv/trivet/infra/rehearsal/schema/source"
)

func main() {
	out := flag.String("out", ".", "directory to write into")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	for _, sdk := range source.Providers() {
		provider, err := sdk.Read()
		if err != nil {
			return err
		}
		content, err := source.Encode(provider)
		if err != nil {
			return err
		}
		path := filepath.Join(out, provider.Name+".json.gz")
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // a source file, read by everybody
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: %d resources, %d functions, %d types, %d bytes\n",
			path, len(provider.Resources), len(provider.Functions), len(provider.Types), len(content))
	}
	return nil
}
