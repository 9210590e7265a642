package pebble

import (
	"bytes"
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// getter reads rows. What it gives is valid until the closer is closed, and of
// a [view] until the next row is read.
type getter interface {
	Get(key []byte) (row []byte, closer io.Closer, err error)
}

// view is a range of rows at one moment, and any other row at that same
// moment. Pebble's snapshots are not used for it: closing one waits for the
// manifest, and with it for the disk.
type view struct {
	*pebble.Iterator // of the range

	rows *pebble.Iterator // of everything, at the same moment; nil until it is needed
}

// newView opens a view whose range is [lower, upper).
func newView(db *pebble.DB, lower, upper []byte) (*view, error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, readError(err)
	}
	return &view{Iterator: it}, nil
}

// Get implements [getter].
func (v *view) Get(key []byte) ([]byte, io.Closer, error) {
	if v.rows == nil {
		rows, err := v.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{}})
		if err != nil {
			return nil, nil, err
		}
		v.rows = rows
	}
	if !v.rows.SeekGE(key) || !bytes.Equal(v.rows.Key(), key) {
		if err := v.rows.Error(); err != nil {
			return nil, nil, err
		}
		return nil, nil, pebble.ErrNotFound
	}
	row, err := v.rows.ValueAndErr()
	return row, noCloser{}, err
}

// state decodes the row that the walk over the range has come to. It is valid
// until the walk goes on.
func (v *view) state() (st state, err error) {
	row, err := v.ValueAndErr()
	if err == nil {
		err = decodeState(row, &st)
	}
	if err != nil {
		return state{}, readError(err)
	}
	return st, nil
}

// change decodes a row of the change log in the same way.
func (v *view) change() (changeRow, error) {
	row, err := v.ValueAndErr()
	if err != nil {
		return changeRow{}, readError(err)
	}
	c, err := decodeChange(row)
	if err != nil {
		return changeRow{}, readError(err)
	}
	return c, nil
}

// rowsError is the error that ended a walk over the range, if one did.
func (v *view) rowsError() error {
	if err := v.Error(); err != nil {
		return readError(err)
	}
	return nil
}

// close lets the moment go.
func (v *view) close() {
	if v.rows != nil {
		_ = v.rows.Close() // its errors were those of its reads
	}
	_ = v.Close()
}

type noCloser struct{}

func (noCloser) Close() error { return nil }

// readRow gives a copy of a row's value, nil when there is none.
func readRow(db getter, key []byte) ([]byte, error) {
	value, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	row := append([]byte{}, value...)
	return row, closer.Close()
}
