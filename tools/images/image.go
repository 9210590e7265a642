package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// account is the user and group that the programs run under unless the cluster
// says otherwise: nobody's on any node.
const account = "65532:65532"

// content is what an image is made of, all of it: another digest needs another
// content.
type content struct {
	service, version string
	platform         v1.Platform
	program          []byte
}

// newImage makes an image of two layers: the authorities, which change a few
// times a year, and the program.
func newImage(c content) (v1.Image, error) {
	program := "usr/bin/trivet-" + c.service
	layers := []map[string]file{
		{
			"etc/passwd":                        {0o644, []byte("nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
			"etc/ssl/certs/ca-certificates.crt": {0o644, authorities()},
		},
		{program: {0o755, c.program}},
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range layers {
		layer, err := newLayer(files)
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = c.platform.OS, c.platform.Architecture, c.platform.Variant
	config.Config = v1.Config{
		User:       account,
		Entrypoint: []string{"/" + program},
		Env:        []string{"PATH=/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "trivet-" + c.service,
			"org.opencontainers.image.version":  c.version,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(image, config)
}

// authorities are those that Mozilla trusts without conditions, of the version
// in go.mod: a file cannot hold conditions.
func authorities() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // memory takes everything
		}
	}
	return text.Bytes()
}

// file is a file of a layer.
type file struct {
	mode    int64
	content []byte
}

// newLayer packs files, root's and of no time, in an order that does not depend
// on anything.
func newLayer(files map[string]file) (v1.Layer, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	made := make(map[string]bool)
	for _, name := range sorted(files) {
		if err := makeParents(w, name, made); err != nil {
			return nil, err
		}
		f := files[name]
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: f.mode, Size: int64(len(f.content)), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// makeParents writes the directories above a file that are not there yet.
func makeParents(w *tar.Writer, name string, made map[string]bool) error {
	dir := ""
	for part := range strings.SplitSeq(path.Dir(name), "/") {
		dir += part + "/"
		if made[dir] {
			continue
		}
		made[dir] = true
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
	}
	return nil
}
