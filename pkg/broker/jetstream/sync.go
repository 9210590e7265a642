package jetstream

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// syncDirectories makes the names of all files below a directory survive a
// power cut: a synced file is of no use under a name that is gone.
func syncDirectories(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there, and NTFS logs their changes
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return ignoreMissing(err) // a segment that was removed meanwhile
		}
		f, err := os.Open(path) //nolint:gosec // below our own directory
		if err != nil {
			return ignoreMissing(err)
		}
		defer func() { _ = f.Close() }()
		return f.Sync()
	})
	if err != nil {
		return fmt.Errorf("sync the directories below %s: %w", dir, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
