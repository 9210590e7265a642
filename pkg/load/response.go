package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// response is what the generator looks at in an answer.
type response struct {
	status int
	body   int64 // bytes
	close  bool  // the server ends the connection behind this answer
}

var errProtocol = errors.New("the answer is not HTTP/1.1")

// readResponse reads one answer to its last byte. Interim answers (1xx) are
// skipped.
func readResponse(r *bufio.Reader, method string) (response, error) {
	for {
		res, length, err := readHead(r)
		switch {
		case err != nil:
			return res, err
		case res.status < 200:
			continue
		case method == "HEAD" || res.status == 204 || res.status == 304:
			return res, nil
		case length == lengthChunked:
			res.body, err = discardChunks(r)
		case length == lengthToEnd:
			return res, fmt.Errorf("%w: an answer without a length", errProtocol)
		default:
			res.body = length
			err = discard(r, length)
		}
		return res, err
	}
}

// Lengths of a body that are not numbers of bytes.
const (
	lengthChunked = -1
	lengthToEnd   = -2
)

func readHead(r *bufio.Reader) (res response, length int64, err error) {
	line, err := readLine(r)
	if err != nil {
		return res, 0, err
	}
	// HTTP/1.1 200 OK
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return res, 0, errProtocol
	}
	if res.status, err = strconv.Atoi(string(line[9:12])); err != nil || res.status < 100 {
		return res, 0, errProtocol
	}
	length = lengthToEnd
	for {
		if line, err = readLine(r); err != nil {
			return res, 0, err
		}
		if len(line) == 0 {
			return res, length, nil
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			return res, 0, errProtocol
		}
		// The length of a name tells most headers apart without comparing.
		switch len(name) {
		case len("content-length"):
			if bytes.EqualFold(name, []byte("content-length")) {
				length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
				if err != nil || length < 0 {
					return res, 0, errProtocol
				}
			}
		case len("transfer-encoding"):
			if bytes.EqualFold(name, []byte("transfer-encoding")) {
				length = lengthChunked
			}
		case len("connection"):
			if bytes.EqualFold(name, []byte("connection")) {
				res.close = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
			}
		}
	}
}

func discardChunks(r *bufio.Reader) (total int64, err error) {
	for {
		line, err := readLine(r)
		if err != nil {
			return total, err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
		if err != nil || n < 0 {
			return total, errProtocol
		}
		if n == 0 {
			return total, discardTrailer(r)
		}
		total += n
		if err := discard(r, n); err != nil {
			return total, err
		}
		if line, err = readLine(r); err != nil {
			return total, err
		} else if len(line) != 0 {
			return total, errProtocol
		}
	}
}

func discardTrailer(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

func discard(r *bufio.Reader, n int64) error {
	for n > 0 {
		step := min(n, 1<<30)
		if _, err := r.Discard(int(step)); err != nil {
			return err
		}
		n -= step
	}
	return nil
}

// readLine reads a line without its end. It is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("%w: a line of more than %d bytes", errProtocol, r.Size())
	}
	if err != nil {
		return nil, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}
