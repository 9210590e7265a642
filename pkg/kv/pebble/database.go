package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/kv"
)

// format is the version of the layout. It rises when an older binary could not
// read, or would spoil, what a newer one wrote.
const format = 1

// openDatabase opens pebble and gives where the store has come to.
func (s *Store) openDatabase(opts Options) (head, error) {
	lock, err := lockDirectory(opts.FS, s.dir)
	if err != nil {
		return head{}, openError(opts.FS, s.dir, err)
	}
	s.lock = lock
	h, err := s.openLocked(opts)
	if err != nil {
		return head{}, errors.Join(openError(opts.FS, s.dir, err), lock.Close())
	}
	return h, nil
}

// openLocked is openDatabase for a directory that is this process's alone.
func (s *Store) openLocked(opts Options) (h head, err error) {
	fresh, err := s.begin(opts)
	if err == nil && !fresh {
		err = s.verify(opts)
	}
	if err != nil {
		return head{}, err
	}
	po := s.pebbleOptions(opts)
	po.ErrorIfExists, po.ErrorIfNotExists = fresh, !fresh
	db, err := pebble.Open(s.dir, po)
	if err != nil {
		return head{}, err
	}
	if fresh {
		err = initialise(db)
	} else {
		h, err = readHead(db)
	}
	if err == nil {
		err = s.committed.open(opts.FS, s.dir, h.sequence)
	}
	if err == nil && fresh {
		err = finish(opts.FS, s.dir)
	}
	if err != nil {
		return head{}, errors.Join(err, s.committed.close(), db.Close())
	}
	s.db = db
	return h, nil
}

// verify refuses a directory that has lost what was committed, or that a newer
// version wrote, before anything in it is changed: opening it for writing
// would remove the files that might still be saved.
func (s *Store) verify(opts Options) error {
	committed, known, err := readCommitted(opts.FS, opts.FS.PathJoin(s.dir, committedName))
	if err != nil {
		return err
	}
	h, err := s.peek(opts)
	switch {
	case errors.Is(err, pebble.ErrDBDoesNotExist):
		return damaged(s.dir, "the marker of the manifest is missing", nil)
	case errors.Is(err, errNoRows):
		return damaged(s.dir, "not even its first rows are there: "+suspect(opts.FS, s.dir), nil)
	case err != nil:
		return err
	case known && h.sequence < committed:
		return damaged(s.dir, fmt.Sprintf("%s says that %d batches were committed, and %d are there: %s",
			committedName, committed, h.sequence, suspect(opts.FS, s.dir)), nil)
	}
	return nil
}

// peek gives where the store has come to without changing anything in its
// directory.
func (s *Store) peek(opts Options) (head, error) {
	po := s.pebbleOptions(opts)
	po.ReadOnly = true
	db, err := pebble.Open(s.dir, po)
	if err != nil {
		return head{}, err
	}
	h, err := readHead(db)
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	return h, err
}

// errNoRows says that a database has not even the rows that it begins with.
var errNoRows = errors.New("the first rows of the store are missing")

// readHead checks the format and gives where the store has come to.
func readHead(db getter) (head, error) {
	row, err := readRow(db, formatKey)
	if err != nil {
		return head{}, err
	}
	if row == nil {
		return head{}, errNoRows
	}
	if len(row) != 1 || row[0] > format {
		return head{}, &kv.Error{Code: kv.CodeUnavailable, Detail: fmt.Sprintf(
			"the directory was written by a newer version (format %d, this version reads up to %d)", row[0], format)}
	}
	row, err = readRow(db, stateKey)
	if err != nil {
		return head{}, err
	}
	if row == nil {
		return head{}, errRow
	}
	return decodeHead(row)
}

// initialise writes the first rows of a new store.
func initialise(db *pebble.DB) error {
	rows := db.NewBatch()
	_ = rows.Set(formatKey, []byte{format}, nil)
	_ = rows.Set(stateKey, appendHead(nil, head{}), nil)
	return rows.Commit(pebble.Sync)
}

// closeDatabase writes out what is in memory, so that the next start has no
// log to replay. It returns early when the disk fails meanwhile: pebble then
// cannot be closed.
func (s *Store) closeDatabase() error {
	done := make(chan error, 1)
	if s.Err() == nil {
		go func() { done <- errors.Join(s.db.Flush(), s.committed.close(), s.db.Close(), s.lock.Close()) }()
	}
	var err error
	select {
	case err = <-done:
	case <-s.failed:
		err = s.Err()
	}
	if err != nil {
		return fmt.Errorf("close the store in %s: %w", s.dir, err)
	}
	return nil
}

func (s *Store) pebbleOptions(opts Options) *pebble.Options {
	log := pebbleLogger{store: s, log: opts.Logger}
	po := &pebble.Options{
		FS:                          s.disk,
		Lock:                        s.lock,
		Logger:                      log,
		FormatMajorVersion:          pebble.FormatNewest,
		CacheSize:                   opts.CacheBytes,
		MemTableSize:                opts.MemTableBytes,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		MaxManifestFileSize:         16 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, max(1, runtime.GOMAXPROCS(0)/2) },
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { opts.Logger.Error("background work of the store failed", "dir", s.dir, "error", err) },
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				opts.Logger.Error("a file of the store is damaged", "file", info.Path, "error", info.Details)
			},
		},
	}
	po.Levels[0].FilterPolicy = bloom.FilterPolicy(10)
	for i := 1; i < len(po.Levels); i++ {
		po.Levels[i].FilterPolicy = po.Levels[0].FilterPolicy
	}
	return po
}

// pebbleLogger passes pebble's messages on.
type pebbleLogger struct {
	store *Store
	log   *slog.Logger
}

func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf fails the store rather than end the process. Pebble expects not to go
// on from here.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.store.fail(fmt.Errorf(format, args...))
	if l.store.disk.armed.Load() {
		select {}
	}
}

// openError says why a directory cannot be opened.
func openError(fsys vfs.FS, dir string, err error) error {
	var known *kv.Error
	text := err.Error()
	switch {
	case errors.As(err, &known):
		return &kv.Error{Code: known.Code, Detail: dir + ": " + known.Detail, Cause: known.Cause}
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES) && strings.Contains(text, "lock"),
		strings.Contains(text, "lock held by current process"):
		return unavailable(err, "%s is in use by another process; a store has one process at a time", dir)
	case errors.Is(err, syscall.EROFS):
		return unavailable(err, "%s is on a read-only file system", dir)
	case errors.Is(err, fs.ErrPermission):
		return unavailable(err, "%s cannot be written: permission denied", dir)
	case isFull(err):
		return unavailable(err, "%s cannot be opened: the disk is full", dir)
	case strings.Contains(text, "unknown format major version"):
		return unavailable(err, "%s was written by a newer version", dir)
	}
	return damaged(dir, blame(fsys, dir, err), err)
}

func unavailable(cause error, format string, args ...any) *kv.Error {
	return &kv.Error{Code: kv.CodeUnavailable, Detail: fmt.Sprintf(format, args...), Cause: cause}
}

func damaged(dir, detail string, cause error) *kv.Error {
	return unavailable(cause, "the store in %s is damaged: %s", dir, detail)
}

// readError is the error of a read that met damage.
func readError(err error) error {
	return unavailable(err, "the store cannot read its files: %s", err)
}
