package watch_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/watch"
)

// allChanges reads a namespace's log, which is what streams are held against.
func allChanges(t testing.TB, store kv.Store, ns string) []kv.Change {
	t.Helper()
	var all []kv.Change
	for after := kv.Position(0); ; {
		page, err := store.Changes(context.Background(), ns, kv.ChangeQuery{After: after, Limit: kv.MaxPageEntries, Values: true})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Changes...)
		if after = page.Next; !page.More {
			return all
		}
	}
}

// follow reads events until the one at position last, and gives them all.
func (c *client) follow(last kv.Position) ([]message, error) {
	var got []message
	for {
		m, err := c.next()
		if err != nil {
			return got, err
		}
		if m.kind == "" {
			continue
		}
		got = append(got, m)
		if m.id == strconv.FormatInt(int64(last), 10) {
			return got, nil
		}
	}
}

// compare holds what a stream has sent against the log.
func compare(t testing.TB, log []kv.Change, prefix string, after kv.Position, got []message) {
	t.Helper()
	i := 0
	for _, c := range log {
		if c.Position <= after || !strings.HasPrefix(c.Key, prefix) {
			continue
		}
		if i == len(got) || got[i].id != fmt.Sprint(c.Position) || got[i].kind != string(c.Kind) {
			t.Errorf("prefix %q after %d: event %d is %+v, the log has %s at %d", prefix, after, i, at(got, i), c.Kind, c.Position)
			return
		}
		i++
	}
	if i != len(got) {
		t.Errorf("prefix %q after %d: %d events, the log has %d", prefix, after, len(got), i)
	}
}

func at(got []message, i int) message {
	if i < len(got) {
		return got[i]
	}
	return message{}
}

// A thousand clients on a thousand prefixes cost one reader of the log, and
// each sees its own change alone.
func TestThousandStreams(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	s := start(t, log, newPipes(), watch.Options{Heartbeat: time.Hour})
	const clients = 1000
	streams := make([]*client, clients)
	for i := range streams {
		streams[i] = s.open(t, fmt.Sprintf("ns?prefix=%03d/", i))
	}
	eventually(t, "all streams are live", func() bool { return s.hub.Live("ns") == clients })
	if n := s.metric(t, "trivet_watch_tailers", ""); n != 1 {
		t.Fatalf("%v tailers for one namespace", n)
	}
	before := log.pagesRead()
	for i := range streams {
		log.write("ns", put(fmt.Sprintf("%03d/key", i), "v"))
	}
	for i, stream := range streams {
		if _, e := stream.event(t); e.Key != fmt.Sprintf("%03d/key", i) {
			t.Fatalf("stream %d got %q", i, e.Key)
		}
	}
	if reads := log.pagesRead() - before; reads > clients+10 {
		t.Errorf("%d reads of the log for %d changes", reads, clients)
	}
}

// A client that does not read is cut off after the write time-out, and
// nobody else notices it.
func TestClientThatNeverReads(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	s := start(t, log, loopback(t), watch.Options{WriteTimeout: 300 * time.Millisecond, FeedEvents: 8})
	conn, err := s.listener.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /ns HTTP/1.1\r\nHost: trivet\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	reader := s.open(t, "ns?values=false")
	eventually(t, "both streams are live", func() bool { return s.hub.Live("ns") == 2 })
	value := strings.Repeat("v", 60<<10)
	eventually(t, "the client is cut off", func() bool {
		position := log.write("ns", put("k", value))
		if _, err := reader.follow(position); err != nil {
			t.Fatal(err)
		}
		return s.metric(t, "trivet_watch_streams_ended_total", "write_timeout") == 1
	})
	if n := s.metric(t, "trivet_watch_streams", ""); n != 1 {
		t.Errorf("%v streams are left", n)
	}
}

// The same over HTTP/2, where a deadline ends a stream and not the connection:
// one that waits for longer than the write time-out must not be ended by it.
func TestDeadlinesOverHTTP2(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	const timeout = 200 * time.Millisecond
	s := start(t, log, loopback(t), watch.Options{WriteTimeout: timeout, Heartbeat: 2 * timeout, FeedEvents: 8}, func(server *http.Server) {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetUnencryptedHTTP2(true)
	})
	quiet := s.open(t, "quiet")
	for range 3 { // heartbeats
		if _, err := quiet.next(); err != nil {
			t.Fatal(err)
		}
	}
	s.open(t, "ns")
	eventually(t, "the stream is live", func() bool { return s.hub.Live("ns") == 1 })
	value := strings.Repeat("v", 60<<10)
	eventually(t, "the client that does not read is cut off", func() bool {
		log.write("ns", put("k", value))
		return s.metric(t, "trivet_watch_streams_ended_total", "write_timeout") == 1
	})
	position := log.write("quiet", put("k", "v"))
	if m, _ := quiet.event(t); m.id != fmt.Sprint(position) {
		t.Errorf("got position %s, want %d", m.id, position)
	}
}

// A client that reads slowly, but reads, gets everything: from the log, at
// its own pace, and live again in the end.
func TestClientThatTrickles(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	s := start(t, log, newPipes(), watch.Options{FeedEvents: 4, WriteTimeout: time.Minute})
	stream := s.open(t, "ns")
	if _, err := stream.next(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream is live", func() bool { return s.hub.Live("ns") == 1 })
	const changes = 500
	value := strings.Repeat("v", 2000)
	for range changes / 2 { // nothing is read yet: pipes have no buffers
		log.write("ns", put("k", value))
	}
	for i := range changes {
		if i%2 == 0 && i < changes-1 {
			log.write("ns", put("k", value)) // faster than the reader takes them
		}
		if m, _ := stream.event(t); m.id != strconv.Itoa(i+1) {
			t.Fatalf("event %d is at %s", i+1, m.id)
		}
	}
	if n := s.metric(t, "trivet_watch_catch_ups_total", ""); n == 0 {
		t.Error("the stream has never fallen behind")
	}
	eventually(t, "the stream is live again", func() bool { return s.hub.Live("ns") == 1 })
	position := log.write("ns", put("k", "live"))
	if m, _ := stream.event(t); m.id != fmt.Sprint(position) {
		t.Errorf("got position %s, want %d", m.id, position)
	}
}

// A stream that was live and has fallen behind by more than MaxLag is ended;
// one that begins as far behind is not.
func TestMaxLag(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	s := start(t, log, newPipes(), watch.Options{FeedEvents: 4, MaxLag: 100, WriteTimeout: time.Minute})
	stream := s.open(t, "ns")
	eventually(t, "the stream is live", func() bool { return s.hub.Live("ns") == 1 })
	var end kv.Position
	for range 300 {
		end = log.write("ns", put("k", strings.Repeat("v", 2000)))
	}
	if p := stream.problem(t); p.Code != kv.CodeOverloaded {
		t.Errorf("the stream ended with %+v", p)
	}
	eventually(t, "the metric counts it", func() bool {
		return s.metric(t, "trivet_watch_streams_ended_total", "lagging") == 1
	})
	got, err := s.open(t, "ns?since="+stream.lastEventID).follow(end)
	if err != nil {
		t.Fatal(err)
	}
	resumed, _ := strconv.Atoi(stream.lastEventID)
	compare(t, allChanges(t, log, "ns"), "", kv.Position(resumed), got)
}

// startHub starts a hub without a server.
func startHub(t testing.TB, store kv.Store, streams int) *watch.Hub {
	t.Helper()
	hub := watch.NewHub(store, watch.Options{Problem: problem, Heartbeat: time.Hour, MaxStreams: streams})
	if err := hub.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return hub
}

// The budget of a stream that waits, its goroutine included and the
// connection's own buffers not.
func TestMemoryOfAWaitingStream(t *testing.T) {
	const clients, budget = 2000, 12 << 10
	log := newMemoryLog()
	hub := startHub(t, log, clients)
	measure := func() int64 {
		debug.FreeOSMemory() // what earlier tests have left
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := measure()
	for i := range clients {
		r := newSinkRequest(t)
		go func() {
			_ = hub.Serve(r.Context(), newSink(nil), r, watch.Request{Namespace: "ns", Prefix: fmt.Sprintf("%04d/", i), Values: true})
		}()
	}
	eventually(t, "all streams are live", func() bool { return hub.Live("ns") == clients })
	each := (measure() - before) / clients
	t.Logf("%d bytes for each of %d streams", each, clients)
	if each > budget {
		t.Errorf("a waiting stream takes %d bytes, its budget is %d", each, budget)
	}
}

// Every change of the benchmark is seen by 10 of 10 000 clients.
func BenchmarkFanOut(b *testing.B) {
	const clients, each = 10_000, 10
	log := newMemoryLog()
	hub := startHub(b, log, clients)
	var delivered sync.WaitGroup
	for i := range clients {
		sink := newSink(func(p []byte) {
			if events := bytes.Count(p, []byte("\ndata: ")); events > 0 {
				delivered.Add(-events)
			}
		})
		r := newSinkRequest(b)
		go func() {
			_ = hub.Serve(r.Context(), sink, r, watch.Request{Namespace: "ns", Prefix: fmt.Sprintf("%04d/", i/each), Values: true})
		}()
	}
	eventually(b, "all streams are live", func() bool { return hub.Live("ns") == clients })
	value := strings.Repeat("v", 100)
	b.ResetTimer()
	for i := range b.N {
		delivered.Add(each)
		log.write("ns", put(fmt.Sprintf("%04d/key", i%(clients/each)), value))
		if i%100 == 99 || i == b.N-1 {
			delivered.Wait()
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "deliveries/s")
}
