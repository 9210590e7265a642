package watch_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
	"github.com/trivetkv/trivet/services/api/watch"
)

// service is a hub behind an HTTP server.
type service struct {
	hub      *watch.Hub
	metrics  *prometheus.Registry
	http     *http.Server
	listener listener
	client   *http.Client

	mu     sync.Mutex
	refuse context.CancelCauseFunc // ends the requests that are under way
}

// listener is where a service is reached: loopback, or pipes.
type listener interface {
	net.Listener
	dial(ctx context.Context) (net.Conn, error)
}

// start serves a hub until the test ends.
func start(t testing.TB, store kv.Store, at listener, opts watch.Options, configure ...func(*http.Server)) *service {
	t.Helper()
	s := &service{metrics: prometheus.NewRegistry(), listener: at}
	opts.Registerer = s.metrics
	opts.Problem = problem
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s.hub = watch.NewHub(store, opts)
	if err := s.hub.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute}
	for _, f := range configure {
		f(s.http)
	}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return at.dial(ctx) },
		Protocols:   s.http.Protocols,
	}}
	go func() { _ = s.http.Serve(at) }()
	t.Cleanup(func() {
		if err := s.hub.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		_ = s.http.Close()
		s.client.CloseIdleConnections()
	})
	return s
}

func problem(_ context.Context, err *kv.Error) wire.Problem {
	return wire.Problem{Type: "/docs/errors#" + string(err.Code), Title: "a title", Status: 418, Code: err.Code, Detail: err.Detail, RequestID: "r1"}
}

// serve reads a request as the API does, without its checks.
func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	req := watch.Request{
		Namespace: strings.TrimPrefix(r.URL.Path, "/"),
		Prefix:    query.Get("prefix"),
		Values:    query.Get("values") != "false",
	}
	if since := query.Get("since"); since != "" {
		after, _ := strconv.ParseInt(since, 10, 64)
		req.After, req.HasAfter = kv.Position(after), true
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	s.mu.Lock()
	s.refuse = cancel
	s.mu.Unlock()
	if err := s.hub.Serve(ctx, w, r, req); err != nil {
		e := kv.AsError(err)
		w.Header().Set("Trivet-Test-Code", string(e.Code))
		http.Error(w, e.Detail, http.StatusTeapot)
	}
}

// open starts a stream.
func (s *service) open(t testing.TB, path string) *client {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://trivet/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	c := &client{header: res.Header, status: res.StatusCode, body: res.Body, lines: bufio.NewReader(res.Body), close: cancel}
	t.Cleanup(c.close)
	return c
}

// refused opens a stream that has to be refused, and gives the code.
func (s *service) refused(t testing.TB, path string) kv.Code {
	t.Helper()
	c := s.open(t, path)
	defer c.close()
	if c.status != http.StatusTeapot {
		t.Fatalf("GET %s answered %d, want a refusal", path, c.status)
	}
	return kv.Code(c.header.Get("Trivet-Test-Code"))
}

// client reads a stream as a browser's EventSource does.
type client struct {
	status int
	header http.Header
	body   io.Reader
	lines  *bufio.Reader
	close  func()

	lastEventID string
}

// message is one event, or a heartbeat: a block that has an id and no data.
type message struct {
	kind string // "" for a heartbeat
	id   string
	data string
}

// next reads one message; io.EOF at the end of the stream.
func (c *client) next() (message, error) {
	var m message
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return m, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case field == "" && value == "": // the end of a block
			if m.id != "" {
				c.lastEventID = m.id
			}
			return m, nil
		case field == "event":
			m.kind = value
		case field == "id":
			m.id = value
		case field == "data":
			m.data += value
		}
	}
}

// event reads the next message that is not a heartbeat.
func (c *client) event(t testing.TB) (message, wire.Event) {
	t.Helper()
	for {
		m, err := c.next()
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		if m.kind == "" {
			continue
		}
		var data wire.Event
		if err := json.Unmarshal([]byte(m.data), &data); err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		return m, data
	}
}

// problem reads on until the stream ends, and gives what its last event said.
func (c *client) problem(t testing.TB) wire.Problem {
	t.Helper()
	var last message
	for {
		m, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the stream broke off: %v", err)
		}
		last = m
	}
	var p wire.Problem
	if err := json.Unmarshal([]byte(last.data), &p); err != nil || last.kind != "error" {
		t.Fatalf("the last event was %+v, want an error", last)
	}
	return p
}

// loopback listens on a free port.
func loopback(t testing.TB) listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return tcp{l}
}

type tcp struct{ net.Listener }

func (l tcp) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
}

// pipes are connections without buffers, on which testing/synctest can tell
// that everybody waits.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	server, client := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// metric gives the sum of a metric's samples whose labels have the value.
func (s *service) metric(t testing.TB, name, label string) float64 {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if label == "" || len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == label {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// eventually waits for a condition that a test can only observe.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
