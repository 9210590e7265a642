package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// ImportOptions say what to do with the entries of an input.
type ImportOptions struct {
	Server     string // which one it is, for the checkpoint
	Namespace  string
	Format     Format
	OnConflict Conflict
	Timeout    time.Duration // of one request; 0: none

	Now      func() time.Time // nil: time.Now
	Progress func(Imported)   // called at the start and after each batch, by one goroutine at a time; nil: not told
}

// Imported is how far an import has come. What was read but not written was
// expired, or was there.
type Imported struct {
	Written  int64 `json:"written"`  // keys
	Expired  int64 `json:"expired"`  // entries whose time had passed
	Existing int64 `json:"existing"` // keys that were there and were left as they were
	Bytes    int64 `json:"bytes"`    // of the input that are done

	// Repeated counts those of Written that had been written before the import
	// was interrupted, and were not written again.
	Repeated int64 `json:"repeated"`
}

// Entries gives the number of entries that are done.
func (i Imported) Entries() int64 { return i.Written + i.Expired + i.Existing }

func (i *Imported) add(o Imported) {
	i.Written += o.Written
	i.Expired += o.Expired
	i.Existing += o.Existing
	i.Bytes += o.Bytes
	i.Repeated += o.Repeated
}

// importParameters are what a checkpoint is bound to.
type importParameters struct {
	Server     string   `json:"server"`
	Namespace  string   `json:"namespace"`
	Format     Format   `json:"format"`
	OnConflict Conflict `json:"on_conflict"`
	Size       int64    `json:"size"`
	Beginning  string   `json:"beginning"` // digest of the input's first bytes
}

func (p importParameters) String() string {
	return fmt.Sprintf("import of %s into %s at %s, %s existing keys, from %d bytes that begin with digest %.8s",
		p.Format, p.Namespace, p.Server, p.OnConflict, p.Size, p.Beginning)
}

// importState is the checkpoint of an import: all that is before the window is
// done, nothing behind it was begun.
type importState struct {
	Parameters importParameters `json:"parameters"`
	Run        string           `json:"run"` // names the import, so that another one of the same file writes again
	Window     place            `json:"window"`

	// Moments at which the window was begun. Times to live are counted from
	// them, so they are part of what its writes say.
	Begun []time.Time `json:"begun"`

	Imported Imported `json:"imported"` // before the window
}

// Import writes the entries of an input. Those of one key are written in their
// order; others are not. It stops at the first line that is wrong or refused:
// what was read before it may have been written, and nothing after it is but
// for batches that were under way.
func Import(ctx context.Context, to Target, in io.Reader, o ImportOptions) (Imported, error) {
	im := newImporter(to, o)
	im.state.Window = place{Line: 1}
	im.scan = newScanner(in, im.state.Window, o.Format)
	err := im.run(ctx)
	return im.state.Imported, err
}

// ImportFile is Import from a file, gone on with when its checkpoint is there.
func ImportFile(ctx context.Context, to Target, path string, o ImportOptions) (Imported, error) {
	file, err := os.Open(path)
	if err != nil {
		return Imported{}, err
	}
	defer func() { _ = file.Close() }()
	parameters, err := o.parameters(file)
	if err != nil {
		return Imported{}, err
	}
	im := newImporter(to, o)
	progress := path + ProgressSuffix
	began, err := loadCheckpoint(progress, &im.state)
	switch {
	case err != nil:
		return Imported{}, err
	case !began:
		im.state.Parameters = parameters
		im.state.Window = place{Line: 1}
	case im.state.Parameters != parameters:
		return Imported{}, errOtherParameters(progress, im.state.Parameters, parameters)
	case len(im.state.Begun) > 0 && im.opts.Now().Sub(im.state.Begun[0]) > kv.RecordRetention:
		return Imported{}, fmt.Errorf("the import was interrupted more than %d days ago, and the server no longer knows which writes were made; remove %s to begin again",
			kv.RecordRetention/(24*time.Hour), progress)
	}
	im.save = func(state importState) error { return saveCheckpoint(progress, state) }
	if im.state.Window.Offset > 0 && o.Format == CSV {
		if err := im.readHeader(newScanner(file, place{Line: 1}, CSV)); err != nil {
			return im.state.Imported, err
		}
	}
	if _, err := file.Seek(im.state.Window.Offset, io.SeekStart); err != nil {
		return im.state.Imported, err
	}
	im.scan = newScanner(file, im.state.Window, o.Format)
	if err := im.run(ctx); err != nil {
		return im.state.Imported, err
	}
	return im.state.Imported, removeCheckpoint(progress)
}

// beginningBytes are what tells files of one size apart.
const beginningBytes = 64 << 10

func (o ImportOptions) parameters(file *os.File) (importParameters, error) {
	info, err := file.Stat()
	if err != nil {
		return importParameters{}, err
	}
	if !info.Mode().IsRegular() {
		return importParameters{}, fmt.Errorf("%s is no file; give it through standard input", file.Name())
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(file, 0, beginningBytes)); err != nil {
		return importParameters{}, err
	}
	return importParameters{
		Server: o.Server, Namespace: o.Namespace, Format: o.Format, OnConflict: o.OnConflict,
		Size: info.Size(), Beginning: hex.EncodeToString(digest.Sum(nil)),
	}, nil
}

type importer struct {
	to     Target
	opts   ImportOptions
	state  importState
	scan   *scanner
	decode func(text []byte) (kv.Entry, error)
	save   func(importState) error
}

func newImporter(to Target, o ImportOptions) *importer {
	if o.Now == nil {
		o.Now = time.Now
	}
	im := &importer{to: to, opts: o, save: func(importState) error { return nil }}
	im.state.Run = kv.NewWriteID(o.Now()).String()
	if o.Format != CSV {
		im.decode = decodeJSON
	}
	return im
}

func (im *importer) readHeader(scan *scanner) error {
	text, line, err := scan.record()
	switch {
	case errors.Is(err, io.EOF):
		return &LineError{line, kv.Invalid("key", "the input is empty; the first line has to name the columns")}
	case err != nil:
		return err
	}
	rows, err := newCSVReader(text)
	if err != nil {
		return &LineError{line, err}
	}
	im.decode = rows.decode
	return nil
}

// run imports window by window. The checkpoint is written before a window's
// first write: whatever is interrupted, all writes that may have been made
// belong to the window that it names.
func (im *importer) run(ctx context.Context) error {
	if im.opts.Progress != nil {
		im.opts.Progress(im.state.Imported)
	}
	if im.decode == nil {
		if err := im.readHeader(im.scan); err != nil {
			return err
		}
		im.state.Imported.Bytes = im.scan.next.Offset
	}
	for {
		im.state.Window = im.scan.next
		im.state.Begun = append(im.state.Begun, im.opts.Now().UTC())
		if err := im.save(im.state); err != nil {
			return err
		}
		done, end, err := im.window(ctx)
		im.state.Imported.add(done)
		if err != nil {
			return err
		}
		im.state.Begun = nil
		if end {
			return nil
		}
	}
}
