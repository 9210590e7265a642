package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// writeArchive writes an image as the OCI layout has it, in one file, which
// container engines import: the image keeps its digest and gets a name.
func writeArchive(path string, image v1.Image, name string) (err error) {
	dir, err := os.MkdirTemp("", "trivet-layout-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	at, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	if err := at.AppendImage(image, layout.WithAnnotations(map[string]string{"io.containerd.image.name": "trivet.local/" + name})); err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	archive, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	return pack(archive, os.DirFS(dir))
}

// pack writes the files of a directory in the order of their names.
func pack(to io.Writer, from fs.FS) error {
	w := tar.NewWriter(to)
	err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(name), Mode: 0o644, Size: int64(len(content)), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	return errors.Join(err, w.Close())
}

func sorted(files map[string]file) []string { return slices.Sorted(maps.Keys(files)) }
