package source

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
)

// The embedded schemas have to be those of the SDKs that go.mod names.
func TestSchemasAreThoseOfTheSDKs(t *testing.T) {
	t.Parallel()
	for _, sdk := range Providers() {
		t.Run(sdk.Name, func(t *testing.T) {
			t.Parallel()
			read, err := sdk.Read()
			if err != nil {
				t.Fatal(err)
			}
			embedded, err := schema.Load(sdk.Name)
			if err != nil {
				t.Fatal(err)
			}
			want, err := Encode(read)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Encode(embedded)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error("the schema is not the SDK's: run `go generate ./rehearsal/schema` in infra")
			}
		})
	}
}

// A package of an SDK that the program imports has to be among those that are
// read, or a rehearsal would refuse its resources.
func TestSchemasHaveEveryPackageThatIsImported(t *testing.T) {
	t.Parallel()
	files := token.NewFileSet()
	err := filepath.WalkDir("../../..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			for _, sdk := range Providers() {
				below, ours := strings.CutPrefix(imported, sdk.Module+"/"+sdk.Folder+"/")
				if ours && below != "apiextensions" && !slices.Contains(sdk.Packages, below) { // which has custom resources alone
					t.Errorf("%s imports %s: add %q to the packages of %s", path, imported, below, sdk.Name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
