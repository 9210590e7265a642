package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/trivetkv/trivet/pkg/kv"
)

// maxRecordBytes is more than the largest entry has in either format, so that
// a quote which is never closed does not take a file into memory.
const maxRecordBytes = 16 << 20

// place is where a record begins in its input.
type place struct {
	Offset int64 `json:"offset"` // in bytes
	Line   int   `json:"line"`   // from 1
}

// scanner cuts an input into records: lines, or rows of CSV, which may go over
// several lines.
type scanner struct {
	in   *bufio.Reader
	next place // of what is read next
	csv  bool
}

func newScanner(in io.Reader, at place, format Format) *scanner {
	return &scanner{in: bufio.NewReaderSize(in, 64<<10), next: at, csv: format == CSV}
}

// record gives the next record that is not empty, without its line end, and
// the line at which it begins. The end is io.EOF.
func (s *scanner) record() (text []byte, line int, err error) {
	for {
		line = s.next.Line
		text, err := s.read(line)
		if len(bytes.TrimSpace(text)) > 0 || err != nil {
			return text, line, err
		}
	}
}

func (s *scanner) read(line int) ([]byte, error) {
	var text []byte
	quotes := 0
	for {
		part, err := s.in.ReadSlice('\n')
		s.next.Offset += int64(len(part))
		text = append(text, part...)
		if len(text) > maxRecordBytes {
			return nil, &LineError{line, kv.Invalid("", "the record is longer than %d MiB; a quote may be missing", maxRecordBytes>>20)}
		}
		if s.csv {
			quotes += bytes.Count(part, []byte{'"'})
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if len(text) == 0 {
				return nil, io.EOF
			}
			s.next.Line++
			return text, nil
		case err != nil:
			return nil, err
		default:
			s.next.Line++
			if quotes%2 == 0 {
				return bytes.TrimRight(text, "\r\n"), nil
			}
		}
	}
}
