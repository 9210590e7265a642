package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"time"
)

// readBuffer holds an answer's head, and a small answer whole, so that it
// takes one read.
const readBuffer = 16 << 10

// conn is one connection that is kept alive and made again when it breaks.
type conn struct {
	url     *url.URL
	tls     *tls.Config
	timeout time.Duration
	wire    []byte
	reader  *bufio.Reader

	mu          sync.Mutex // of the two below, which interrupt shares
	net         net.Conn   // nil: not connected
	interrupted bool
}

func (c *conn) dial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	host := c.url.Host
	var d net.Dialer
	var nc net.Conn
	var err error
	if c.url.Scheme == "https" {
		if c.url.Port() == "" {
			host = net.JoinHostPort(host, "443")
		}
		td := tls.Dialer{NetDialer: &d, Config: c.tls}
		nc, err = td.DialContext(ctx, "tcp", host)
	} else {
		if c.url.Port() == "" {
			host = net.JoinHostPort(host, "80")
		}
		nc, err = d.DialContext(ctx, "tcp", host)
	}
	if err != nil {
		return err
	}
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(nil, readBuffer)
	}
	c.reader.Reset(nc)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.net = nc
	if c.interrupted {
		_ = nc.SetDeadline(past)
	}
	return nil
}

// past is a deadline that ends every read and write under way.
var past = time.Unix(1, 0)

// interrupt ends what is under way, now and from now on.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	if c.net != nil {
		_ = c.net.SetDeadline(past)
	}
}

// arm gives the next request until the deadline, unless interrupt was called.
func (c *conn) arm(deadline time.Time) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.net != nil && !c.interrupted {
		_ = c.net.SetDeadline(deadline)
	}
	return c.net
}

// do sends a request and reads its answer to the end. After an error the
// connection is closed and has to be dialled again.
func (c *conn) do(r *Request, now time.Time) (response, error) {
	nc := c.arm(now.Add(c.timeout))
	c.wire = r.AppendWire(c.wire[:0], c.url.Host)
	if _, err := nc.Write(c.wire); err != nil {
		c.close()
		return response{}, err
	}
	res, err := readResponse(c.reader, r.Method)
	if err != nil || res.close {
		c.close()
	}
	return res, err
}

func (c *conn) connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.net != nil
}

func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.net != nil {
		_ = c.net.Close()
		c.net = nil
	}
}
