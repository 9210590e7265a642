// Command image writes an archive of a container image that holds static
// programs and nothing else, for containerd to import where there is no
// registry:
//
//	image -name trivet.local/pause:1 -o pause.tar bin/pause
//	ctr -n k8s.io images import pause.tar
//
// Each program is at the root of the image, under its own name; the first one
// is what the image runs.
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nobody is the user that the programs run as: anybody but root will do.
const nobody = "65532:65532"

func main() {
	tag := flag.String("name", "", "name of the image, such as trivet.local/pause:1")
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if err := write(*tag, *out, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

func write(tag, out string, programs []string) error {
	if len(programs) == 0 {
		return fmt.Errorf("no program is named")
	}
	ref, err := name.NewTag(tag)
	if err != nil {
		return fmt.Errorf("the name: %w", err)
	}
	image := empty.Image
	for _, program := range programs {
		layer, err := layer(program)
		if err != nil {
			return err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return fmt.Errorf("add %s: %w", program, err)
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return fmt.Errorf("describe the image: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config.User, config.Config.Entrypoint = nobody, []string{"/" + filepath.Base(programs[0])}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return fmt.Errorf("describe the image: %w", err)
	}
	if err := tarball.WriteToFile(out, ref, image); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	return nil
}

// layer holds one program.
func layer(program string) (v1.Layer, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	header := &tar.Header{Name: filepath.Base(program), Mode: 0o755, Size: int64(len(content))}
	if err := w.WriteHeader(header); err != nil {
		return nil, fmt.Errorf("pack %s: %w", program, err)
	}
	if _, err := w.Write(content); err != nil {
		return nil, fmt.Errorf("pack %s: %w", program, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack %s: %w", program, err)
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
}
