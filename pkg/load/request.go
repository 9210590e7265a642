package load

import "strconv"

// Request is one request. A [Mix] sets its fields; the buffers are reused, so
// append to them.
type Request struct {
	Kind   string // names the request's class in the result; one of a few constants, or empty
	Method string // GET when empty
	Target []byte // path and query, escaped
	Header []byte // header lines besides Host and Content-Length, each ending with CRLF
	Body   []byte
	Want   int // the status to expect; 0: any 2xx
}

func (r *Request) reset() {
	r.Kind, r.Method, r.Want = "", "GET", 0
	r.Target, r.Header, r.Body = r.Target[:0], r.Header[:0], r.Body[:0]
}

// AppendWire appends the request as it travels to a host.
func (r *Request) AppendWire(b []byte, host string) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	b = append(b, r.Header...)
	if len(r.Body) > 0 || r.Method == "PUT" || r.Method == "POST" {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	return append(b, r.Body...)
}

func (r *Request) expects(status int) bool {
	if r.Want != 0 {
		return status == r.Want
	}
	return status >= 200 && status < 300
}
