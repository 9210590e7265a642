package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func of(program string) content {
	return content{service: "api", version: "v1", platform: v1.Platform{OS: "linux", Architecture: "amd64"}, program: []byte(program)}
}

func made(t *testing.T, c content) (v1.Image, v1.Hash) {
	t.Helper()
	image, err := newImage(c)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return image, digest
}

func TestADigestIsOfTheContentAlone(t *testing.T) {
	t.Parallel()
	image, first := made(t, of("program"))
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		if err := validate.Layer(layer); err != nil {
			t.Error(err)
		}
	}
	if _, second := made(t, of("program")); first != second {
		t.Error("the same content has two digests")
	}
	other := of("program")
	other.platform.Architecture = "arm64"
	for _, c := range []content{of("another"), other} {
		if _, second := made(t, c); first == second {
			t.Errorf("another content has the same digest: %+v", c)
		}
	}
	var archives [2][]byte
	for i := range archives {
		path := filepath.Join(t.TempDir(), "api.tar")
		if err := writeArchive(path, image, "trivet/api:v1"); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the same image has two archives")
	}
}

// TestAnImageHoldsNoMoreThanAProgramNeeds lists its files: no shell, nothing that
// anybody could write to.
func TestAnImageHoldsNoMoreThanAProgramNeeds(t *testing.T) {
	t.Parallel()
	image, _ := made(t, of("program"))
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/usr/bin/trivet-api" {
		t.Errorf("%+v", config.Config)
	}
	want := map[string]bool{"etc/passwd": true, "etc/ssl/certs/ca-certificates.crt": true, "usr/bin/trivet-api": true}
	flat := mutate.Extract(image)
	defer flat.Close()
	for r := tar.NewReader(flat); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Mode&0o022 != 0 || !header.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s: %+v", header.Name, header)
		}
		if header.Typeflag != tar.TypeDir && !want[header.Name] {
			t.Errorf("what is %s for?", header.Name)
		}
		delete(want, header.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestTheAuthoritiesAreOnesThatProgramsCanRead(t *testing.T) {
	t.Parallel()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities()) || bytes.Count(authorities(), []byte("BEGIN CERTIFICATE")) < 100 {
		t.Error("too few authorities")
	}
}
