package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// unfinishedName is the file that says that the store in its directory is still
// being made. It is durable before the first file of the store exists, and is
// durably gone before Open returns: where it is, nothing was ever acknowledged.
const unfinishedName = "UNFINISHED"

// storeFile matches what a store has in its directory, but for its lock.
var storeFile = regexp.MustCompile(`^(marker\..+|(MANIFEST|OPTIONS)-\d+|CURRENT(\..*)?|temporary\..*|\d+(-\d+)?\.(log|sst|blob)|` + committedName + `)$`)

// lockDirectory creates a directory, where there is none, and takes its lock.
func lockDirectory(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	if err := makeDir(fsys, dir); err != nil {
		return nil, err
	}
	return pebble.LockDirectory(dir, fsys)
}

// makeDir creates a directory and its parents so that a power cut does not
// take them back.
func makeDir(fsys vfs.FS, dir string) error {
	if _, err := fsys.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := fsys.PathDir(dir)
	if parent != dir {
		if err := makeDir(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return syncDir(fsys, parent)
}

// begin tells whether a store has to be made in a locked directory, and if so
// notes that it is unfinished. What an earlier attempt left is removed.
func (s *Store) begin(opts Options) (fresh bool, err error) {
	names, err := opts.FS.List(s.dir)
	if err != nil {
		return false, err
	}
	unfinished, files := false, []string(nil)
	for _, name := range names {
		switch {
		case name == unfinishedName:
			unfinished = true
		case storeFile.MatchString(name):
			files = append(files, name)
		}
	}
	switch {
	case unfinished:
		if err := s.verifyNothingCommitted(opts); err != nil {
			return false, err
		}
		opts.Logger.Info("starting over with a store that was never finished", "dir", s.dir)
		for _, name := range files {
			if err := opts.FS.Remove(opts.FS.PathJoin(s.dir, name)); err != nil {
				return false, err
			}
		}
		return true, nil
	case len(files) > 0:
		return false, nil
	}
	f, err := opts.FS.Create(opts.FS.PathJoin(s.dir, unfinishedName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return false, err
	}
	if err := f.Close(); err != nil {
		return false, err
	}
	return true, syncDir(opts.FS, s.dir)
}

// verifyNothingCommitted refuses an unfinished directory in which something is
// committed after all, as when a file of that name was put into a real store:
// it is the one case in which files would be removed.
func (s *Store) verifyNothingCommitted(opts Options) error {
	committed, _, err := readCommitted(opts.FS, opts.FS.PathJoin(s.dir, committedName))
	if err != nil {
		return err
	}
	if h, err := s.peek(opts); err == nil {
		committed = max(committed, h.sequence)
	}
	if committed > 0 {
		return damaged(s.dir, fmt.Sprintf("%s says that the store was never finished, and %d batches were committed; "+
			"if the file was copied there, remove it", unfinishedName, committed), nil)
	}
	return nil
}

// finish notes that the store is complete.
func finish(fsys vfs.FS, dir string) error {
	if err := fsys.Remove(fsys.PathJoin(dir, unfinishedName)); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}
