package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// ExportOptions say what to export.
type ExportOptions struct {
	Server    string // which one it is, for the checkpoint
	Namespace string
	Prefix    string
	Format    Format
	Timeout   time.Duration // of one request; 0: none
	PageLimit int           // entries that one request asks for; 0: kv.MaxPageEntries

	Progress func(Exported) // called at the start and after each page; nil: not told
}

// Exported is how far an export has come.
type Exported struct {
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"` // written

	// Position is one from which a watch misses no change since the export
	// began, and so none that a page read before it does not show.
	Position kv.Position `json:"position"`
}

// exportParameters are what a checkpoint is bound to.
type exportParameters struct {
	Server    string `json:"server"`
	Namespace string `json:"namespace"`
	Prefix    []byte `json:"prefix"` // any bytes
	Format    Format `json:"format"`
}

func (p exportParameters) String() string {
	return fmt.Sprintf("export of %s from %s, prefix %q, as %s", p.Namespace, p.Server, p.Prefix, p.Format)
}

// exportState is the checkpoint of an export: all that its file holds up to
// Bytes is durable.
type exportState struct {
	Parameters exportParameters `json:"parameters"`
	Cursor     string           `json:"cursor"` // of the page that comes next; empty: the first
	Exported
}

// Export writes the keys of a namespace in their order. Keys that change
// meanwhile are in it as they were at some moment of the export.
func Export(ctx context.Context, from Source, out io.Writer, o ExportOptions) (Exported, error) {
	e := exporter{from: from, opts: o, save: func(exportState) error { return nil }}
	e.writeTo(out)
	err := e.run(ctx)
	return e.state.Exported, err
}

// ExportFile is Export into a file, which is made, or gone on with when its
// checkpoint is there. A file that is complete is not written over.
func ExportFile(ctx context.Context, from Source, path string, o ExportOptions) (Exported, error) {
	parameters := exportParameters{o.Server, o.Namespace, []byte(o.Prefix), o.Format}
	progress := path + ProgressSuffix
	e := exporter{from: from, opts: o}
	began, err := loadCheckpoint(progress, &e.state)
	if err != nil {
		return Exported{}, err
	}
	if began && e.state.Parameters.String() != parameters.String() {
		return Exported{}, errOtherParameters(progress, e.state.Parameters, parameters)
	}
	mode := os.O_RDWR
	if !began {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return Exported{}, fmt.Errorf("%s exists; remove it, or name another file", path)
		}
		e.state.Parameters = parameters
		if err := saveCheckpoint(progress, e.state); err != nil {
			return Exported{}, err
		}
	}
	if e.state.Bytes == 0 {
		mode |= os.O_CREATE // once anything was written, a file that is missing is a loss
	}
	file, err := os.OpenFile(path, mode, 0o600)
	if err != nil {
		return e.state.Exported, err
	}
	defer func() { _ = file.Close() }()
	if err := resumeAt(file, e.state.Bytes); err != nil {
		return e.state.Exported, err
	}
	e.writeTo(file)
	e.save = func(state exportState) error {
		if err := file.Sync(); err != nil {
			return err
		}
		return saveCheckpoint(progress, state)
	}
	if err := e.run(ctx); err != nil {
		return e.state.Exported, err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return e.state.Exported, err
	}
	return e.state.Exported, removeCheckpoint(progress)
}

// resumeAt cuts off what was written behind the checkpoint.
func resumeAt(file *os.File, offset int64) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < offset {
		return fmt.Errorf("%s has %d bytes, but its checkpoint says %d; remove both to begin again", file.Name(), info.Size(), offset)
	}
	if err := file.Truncate(offset); err != nil {
		return err
	}
	_, err = file.Seek(offset, io.SeekStart)
	return err
}

// entryWriter writes entries in a format.
type entryWriter interface {
	header() error
	entry(e kv.Entry) error
}

type exporter struct {
	from  Source
	opts  ExportOptions
	state exportState
	out   *bufio.Writer
	rows  entryWriter
	save  func(exportState) error
}

func (e *exporter) writeTo(out io.Writer) {
	e.out = bufio.NewWriterSize(counter{out, &e.state.Bytes}, 64<<10)
	if e.opts.Format == CSV {
		e.rows = csvWriter{e.out}
	} else {
		e.rows = jsonWriter{e.out}
	}
}

// counter counts what reaches a writer.
type counter struct {
	out io.Writer
	n   *int64
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.out.Write(p)
	*c.n += int64(n)
	return n, err
}

func (e *exporter) run(ctx context.Context) error {
	e.tell()
	if e.state.Bytes == 0 {
		if err := e.rows.header(); err != nil {
			return err
		}
	}
	for first := e.state.Cursor == ""; ; first = false {
		page, err := e.page(ctx)
		if err != nil {
			return err
		}
		for _, entry := range page.Entries {
			if err := e.rows.entry(entry); err != nil {
				return err
			}
		}
		if err := e.out.Flush(); err != nil {
			return err
		}
		if first {
			e.state.Position = page.Position
		}
		e.state.Entries += int64(len(page.Entries))
		e.state.Cursor = page.Cursor
		e.tell()
		if page.Cursor == "" {
			return nil
		}
		if err := e.save(e.state); err != nil {
			return err
		}
	}
}

func (e *exporter) tell() {
	if e.opts.Progress != nil {
		e.opts.Progress(e.state.Exported)
	}
}

func (e *exporter) page(ctx context.Context) (kv.ListPage, error) {
	ctx, cancel := limited(ctx, e.opts.Timeout)
	defer cancel()
	limit := e.opts.PageLimit
	if limit == 0 {
		limit = kv.MaxPageEntries
	}
	return e.from.List(ctx, e.opts.Namespace, kv.ListQuery{
		Prefix: e.opts.Prefix, Cursor: e.state.Cursor, Limit: limit, Values: true,
	})
}
