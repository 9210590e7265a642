package pebble

import (
	"fmt"
	"io"
	"strings"

	"github.com/cockroachdb/errors"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// suspect names the file of a directory that most likely lost what was
// committed: the manifest or the first log that does not end where a record
// does.
func suspect(fs vfs.FS, dir string) string {
	desc, err := pebble.Peek(dir, fs)
	if err != nil {
		return err.Error()
	}
	if at, whole := readManifest(fs, desc.ManifestFilename); !whole {
		return fmt.Sprintf("%s is unreadable from byte %d on", desc.ManifestFilename, at)
	}
	logs, err := wal.Scan(wal.Dir{FS: fs, Dirname: dir})
	if err != nil {
		return err.Error()
	}
	if len(logs) == 0 {
		return "the log is missing"
	}
	path := ""
	for _, log := range logs {
		_, path = log.SegmentLocation(0)
		if at, whole := readLog(log); !whole {
			return fmt.Sprintf("%s is unreadable from byte %d on", path, at)
		}
	}
	return fmt.Sprintf("%s was cut off, or a log before it is missing", path)
}

// blame gives the text of an error that opening a directory met, and the name
// of the file that it is about, which pebble does not always say.
func blame(fs vfs.FS, dir string, err error) string {
	text := strings.Join(append([]string{err.Error()}, errors.GetAllDetails(err)...), "; ")
	names, listErr := fs.List(dir)
	if listErr != nil {
		return text
	}
	for _, name := range names {
		if strings.Contains(text, name) {
			return text
		}
	}
	desc, peekErr := pebble.Peek(dir, fs)
	if peekErr != nil {
		return text
	}
	if desc.OptionsFilename != "" && !readOptions(fs, desc.OptionsFilename) {
		return fmt.Sprintf("%s is unreadable (it holds settings only, and may be removed): %s", desc.OptionsFilename, text)
	}
	return fmt.Sprintf("%s; %s", text, suspect(fs, dir))
}

// readOptions tells whether pebble's record of its settings can be read.
func readOptions(fs vfs.FS, path string) bool {
	f, err := fs.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(f)
	if err != nil {
		return false
	}
	var opts pebble.Options
	opts.EnsureDefaults()
	return opts.CheckCompatibility(fs.PathDir(path), string(text)) == nil
}

// readManifest gives the offset up to which a manifest consists of whole
// records, and whether that is its end.
func readManifest(fs vfs.FS, path string) (at int64, whole bool) {
	f, err := fs.Open(path)
	if err != nil {
		return 0, false
	}
	defer func() { _ = f.Close() }()
	r := record.NewReader(f, 0)
	for {
		at = r.Offset()
		next, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, next)
		}
		if err != nil {
			return at, errors.Is(err, io.EOF)
		}
	}
}

// readLog is readManifest for a log.
func readLog(log wal.LogicalLog) (at int64, whole bool) {
	r := log.OpenForRead()
	defer func() { _ = r.Close() }()
	for {
		next, offset, err := r.NextRecord()
		at = offset.Physical
		if err == nil {
			_, err = io.Copy(io.Discard, next)
		}
		if err != nil {
			return at, errors.Is(err, io.EOF)
		}
	}
}
