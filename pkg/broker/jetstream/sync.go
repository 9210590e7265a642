package jetstream

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// A synced file is of no use under a name that a power cut has taken back, and
// the server does not sync the directories in which it makes files. Windows
// cannot sync directories; NTFS logs their changes.
const directoriesSync = runtime.GOOS != "windows"

// syncDirectories syncs a directory and all below it.
func syncDirectories(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = syncDirectory(path)
		}
		if os.IsNotExist(err) {
			return nil // a segment that was removed meanwhile
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("sync the directories below %s: %w", dir, err)
	}
	return nil
}

func syncDirectory(dir string) error {
	if !directoriesSync {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return f.Sync()
}

// names are the names of the files in one directory.
type names struct {
	dir    string
	synced time.Time // modification time at which nothing was left to sync
}

// clockTick is more than the steps in which file systems keep time.
const clockTick = 20 * time.Millisecond

// sync makes them survive a power cut. It costs a look at the directory when
// no file was made since the last time.
func (n *names) sync() error {
	info, err := os.Stat(n.dir)
	if err != nil {
		return fmt.Errorf("look for new files: %w", err)
	}
	modified := info.ModTime()
	if modified.Equal(n.synced) {
		return nil
	}
	if err := syncDirectory(n.dir); err != nil {
		return fmt.Errorf("sync %s: %w", n.dir, err)
	}
	// A file that is made within the same tick would not show.
	if time.Since(modified) > clockTick {
		n.synced = modified
	}
	return nil
}
