package watch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/watch"
)

func TestStreamOnTheWire(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	log.write("ns",
		kv.Change{Kind: kv.ChangePut, Key: "a", Value: []byte("hi"), ContentType: "text/plain"},
		kv.Change{Kind: kv.ChangePut, Key: "empty"},
		kv.Change{Kind: kv.ChangePut, Key: "large", Truncated: true},
		kv.Change{Kind: kv.ChangeDelete, Key: "a\nb"},
		kv.Change{Kind: kv.ChangeExpire, Key: "\xff"},
	)
	s := start(t, log, loopback(t), watch.Options{Retry: 1500 * time.Millisecond})

	for _, c := range []struct{ name, query, want string }{
		{"with values", "since=0", `retry: 1500
: heartbeat
id: 0

event: put
id: 1
data: {"key":"a","version":1,"value":"aGk=","content_type":"text/plain","at":"2023-11-14T22:13:20.001Z"}

event: put
id: 2
data: {"key":"empty","version":2,"value":"","at":"2023-11-14T22:13:20.002Z"}

event: put
id: 3
data: {"key":"large","version":3,"truncated":true,"at":"2023-11-14T22:13:20.003Z"}

event: delete
id: 4
data: {"key":"a\nb","version":4,"at":"2023-11-14T22:13:20.004Z"}

event: expire
id: 5
data: {"key":"/w==","key_encoding":"base64","version":5,"at":"2023-11-14T22:13:20.005Z"}

`},
		{"without values", "since=0&values=false&prefix=a", `retry: 1500
: heartbeat
id: 0

event: put
id: 1
data: {"key":"a","version":1,"content_type":"text/plain","at":"2023-11-14T22:13:20.001Z"}

event: delete
id: 4
data: {"key":"a\nb","version":4,"at":"2023-11-14T22:13:20.004Z"}

`},
		{"from the head", "prefix=a", "retry: 1500\n: heartbeat\nid: 5\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stream := s.open(t, "ns?"+c.query)
			got := make([]byte, len(c.want))
			if _, err := io.ReadFull(stream.lines, got); err != nil || string(got) != c.want {
				t.Fatalf("got %q, %v\nwant %q", got, err, c.want)
			}
			for name, want := range map[string]string{
				"Content-Type":      "text/event-stream",
				"Cache-Control":     "no-store",
				"X-Accel-Buffering": "no",
			} {
				if got := stream.header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestResumeAtEveryPosition(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	var want []kv.Position // of the changes below the prefix
	for i := range 120 {
		namespace, key := "ns", fmt.Sprintf("%c/%d", "abc"[i%3], i)
		if i >= 90 {
			namespace = "other"
		}
		position := log.write(namespace, put(key, "v"))
		if namespace == "ns" && strings.HasPrefix(key, "b/") {
			want = append(want, position)
		}
	}
	s := start(t, log, loopback(t), watch.Options{FeedEvents: 7})
	var streams []*client
	for after := range 121 {
		streams = append(streams, s.open(t, fmt.Sprintf("ns?prefix=b/&since=%d", after)))
	}
	want = append(want, log.write("ns", put("b/live", "v")))
	for after, stream := range streams {
		for _, position := range want {
			if int(position) <= after {
				continue
			}
			if m, _ := stream.event(t); m.id != fmt.Sprint(position) {
				t.Fatalf("after %d: got position %s, want %d", after, m.id, position)
			}
		}
	}
}

func TestHeartbeatsMoveAQuietStreamForward(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		s := start(t, log, newPipes(), watch.Options{})
		stream := s.open(t, "ns?prefix=quiet/")
		if m, err := stream.next(); err != nil || m.id != "0" {
			t.Fatalf("the opening was %+v, %v", m, err)
		}
		began := time.Now()
		for i := range 4 {
			log.write("ns", put("busy", "v"))
			position := log.write("other", put("busy", "v"))
			m, err := stream.next()
			if err != nil || m.kind != "" {
				t.Fatalf("got %+v, %v, want a heartbeat", m, err)
			}
			if took := time.Since(began); took != time.Duration(i+1)*15*time.Second {
				t.Errorf("heartbeat %d came after %s", i+1, took)
			}
			// The tailer looks at the rest of the log once per heartbeat itself.
			if m.id != fmt.Sprint(position) && m.id != fmt.Sprint(position-1) {
				t.Errorf("heartbeat %d is at %s, the log at %d", i+1, m.id, position)
			}
		}
		if stream.lastEventID == "0" {
			t.Error("Last-Event-ID has not moved")
		}
	})
}

func TestHeartbeatsWhileCatchingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		for range 10 {
			log.write("ns", put("k", "v"))
		}
		s := start(t, log, newPipes(), watch.Options{FeedEvents: 1, WriteTimeout: time.Hour})
		stream := s.open(t, "ns?since=0")
		_, _ = stream.next()
		heartbeats := 0
		for events := 0; events < 10; {
			time.Sleep(20 * time.Second) // on the bubble's clock: a client that is slower than the heartbeat
			m, err := stream.next()
			switch {
			case err != nil:
				t.Fatal(err)
			case m.kind == "put":
				events++
			case m.id != fmt.Sprint(events):
				t.Fatalf("a heartbeat at %s behind %d events", m.id, events)
			default:
				heartbeats++
			}
		}
		if heartbeats < 5 {
			t.Errorf("%d heartbeats in more than 200 s", heartbeats)
		}
	})
}

func TestExpiredPositionBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	log.write("ns", put("a", "v"), put("b", "v"))
	log.expire(1)
	s := start(t, log, loopback(t), watch.Options{})
	if code := s.refused(t, "ns?since=0"); code != kv.CodePositionExpired {
		t.Errorf("a position past retention: %s", code)
	}
	if code := s.refused(t, "ns?since=3"); code != kv.CodePositionExpired {
		t.Errorf("a position that the log does not have yet: %s", code)
	}
	if _, e := s.open(t, "ns?since=1").event(t); e.Key != "b" {
		t.Errorf("the last position within retention: got %s", e.Key)
	}
}

func TestExpiredPositionMidStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		s := start(t, log, newPipes(), watch.Options{FeedEvents: 2, StorePatience: time.Minute})
		stream := s.open(t, "ns")
		_, _ = stream.next()
		synctest.Wait()

		log.fail(kv.Errorf(kv.CodeUnavailable, "down"))
		for range 5 {
			log.write("ns", put("k", "v"))
		}
		log.expire(4)
		log.fail(nil)
		if p := stream.problem(t); p.Code != kv.CodePositionExpired {
			t.Errorf("the stream ended with %+v", p)
		}
		if n := s.metric(t, "trivet_watch_streams_ended_total", "position_expired"); n != 1 {
			t.Errorf("the metric counts %v", n)
		}
	})
}

func TestStoreThatFailsForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		s := start(t, log, newPipes(), watch.Options{})
		stream := s.open(t, "ns")
		for range 3 {
			log.fail(kv.Errorf(kv.CodeUnavailable, "down"))
			time.Sleep(9 * time.Second) // on the bubble's clock: within the patience
			position := log.write("ns", put("k", "v"))
			log.fail(nil)
			if m, _ := stream.event(t); m.id != fmt.Sprint(position) {
				t.Fatalf("got position %s, want %d", m.id, position)
			}
		}
	})
}

func TestStoreThatFailsForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		s := start(t, log, newPipes(), watch.Options{})
		stream := s.open(t, "ns")
		_, _ = stream.next()
		log.fail(kv.Errorf(kv.CodeUnavailable, "down"))
		if p := stream.problem(t); p.Code != kv.CodeUnavailable || p.Detail != "down" {
			t.Errorf("the stream ended with %+v", p)
		}
		if code := s.refused(t, "ns"); code != kv.CodeUnavailable {
			t.Errorf("a new stream: %s", code)
		}
		log.fail(nil)
		position := log.write("ns", put("k", "v"))
		if m, _ := s.open(t, "ns?since=0").event(t); m.id != fmt.Sprint(position) {
			t.Errorf("after the store is back: got position %s", m.id)
		}
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	s := start(t, log, loopback(t), watch.Options{})
	var streams []*client
	for i := range 3 {
		stream := s.open(t, fmt.Sprintf("ns%d", i))
		_, _ = stream.next()
		streams = append(streams, stream)
	}
	for range 2 {
		if err := s.hub.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	for _, stream := range streams {
		p := stream.problem(t)
		if p.Code != kv.CodeUnavailable || p.Detail != "the server is stopping; reconnect with Last-Event-ID" {
			t.Errorf("the stream ended with %+v", p)
		}
	}
	if code := s.refused(t, "ns"); code != kv.CodeUnavailable {
		t.Errorf("a stream after Stop: %s", code)
	}
	if n := s.metric(t, "trivet_watch_streams_ended_total", "stopping"); n != 3 {
		t.Errorf("the metric counts %v", n)
	}
	if n := s.metric(t, "trivet_watch_tailers", "") + s.metric(t, "trivet_watch_streams", ""); n != 0 {
		t.Errorf("%v tailers and streams are left", n)
	}
}

func TestStopBeforeStart(t *testing.T) {
	t.Parallel()
	hub := watch.NewHub(newMemoryLog(), watch.Options{Problem: problem})
	serve := func() error {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		return hub.Serve(t.Context(), nil, r, watch.Request{})
	}
	if err := serve(); kv.CodeOf(err) != kv.CodeUnavailable {
		t.Errorf("before Start: %v", err)
	}
	if err := errors.Join(hub.Stop(t.Context()), hub.Start(t.Context()), hub.Stop(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := serve(); kv.CodeOf(err) != kv.CodeUnavailable {
		t.Errorf("after Stop: %v", err)
	}
}

func TestCauseOfTheContextIsTheLastEvent(t *testing.T) {
	t.Parallel()
	s := start(t, newMemoryLog(), loopback(t), watch.Options{})
	stream := s.open(t, "ns")
	_, _ = stream.next()
	s.mu.Lock()
	s.refuse(kv.Errorf(kv.CodeUnauthenticated, "the token was revoked"))
	s.mu.Unlock()
	if p := stream.problem(t); p.Code != kv.CodeUnauthenticated || p.Detail != "the token was revoked" {
		t.Errorf("the stream ended with %+v", p)
	}
	eventually(t, "the metric counts the revoked stream", func() bool {
		return s.metric(t, "trivet_watch_streams_ended_total", "unauthenticated") == 1
	})
}

func TestClientThatGoesAway(t *testing.T) {
	t.Parallel()
	s := start(t, newMemoryLog(), loopback(t), watch.Options{})
	stream := s.open(t, "ns")
	_, _ = stream.next()
	stream.close()
	eventually(t, "the metric counts the client that has gone", func() bool {
		return s.metric(t, "trivet_watch_streams_ended_total", "client_gone") == 1
	})
	eventually(t, "nothing of it is left", func() bool {
		return s.metric(t, "trivet_watch_tailers", "")+s.metric(t, "trivet_watch_streams", "") == 0
	})
}

func TestLimitOfStreams(t *testing.T) {
	t.Parallel()
	s := start(t, newMemoryLog(), loopback(t), watch.Options{MaxStreams: 2})
	first, second := s.open(t, "ns"), s.open(t, "ns")
	if code := s.refused(t, "ns"); code != kv.CodeOverloaded {
		t.Errorf("one stream too many: %s", code)
	}
	first.close()
	eventually(t, "there is room again", func() bool { return s.metric(t, "trivet_watch_streams", "") == 1 })
	if third := s.open(t, "ns"); third.status != http.StatusOK {
		t.Errorf("a stream in the place of another: %d", third.status)
	}
	second.close()
}

func TestServerTimeoutsDoNotEndStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		s := start(t, log, newPipes(), watch.Options{}, func(server *http.Server) {
			server.ReadTimeout, server.WriteTimeout = 2*time.Second, 2*time.Second
		})
		stream := s.open(t, "ns")
		for range 5 {
			time.Sleep(7 * time.Second) // on the bubble's clock
			position := log.write("ns", put("k", "v"))
			if m, _ := stream.event(t); m.id != fmt.Sprint(position) {
				t.Fatalf("got position %s, want %d", m.id, position)
			}
		}
	})
}
