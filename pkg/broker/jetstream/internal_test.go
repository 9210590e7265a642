package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

func openForTest(t *testing.T, dir string, o Options) *Broker {
	t.Helper()
	b, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// Confirmed means on disk: the running server has to sync each write, and no
// stream may ask for less.
func TestTheServerSyncsEveryWrite(t *testing.T) {
	b := openForTest(t, t.TempDir(), Options{})
	if err := b.Publish(t.Context(), broker.Message{ID: "i"}); err != nil {
		t.Fatal(err)
	}
	if err := b.dead.add(t.Context(), broker.DeadMessage{}); err != nil {
		t.Fatal(err)
	}
	if c := b.embedded.server.JetStreamConfig(); c == nil || !c.SyncAlways {
		t.Fatalf("the running server's configuration is %+v", c)
	}
	streams := 0
	for info := range b.embedded.js.ListStreams(t.Context()).Info() {
		streams++
		if c := info.Config; c.Storage.String() != "File" || c.NoAck || c.Replicas != 1 {
			t.Errorf("stream %s has the configuration %+v", c.Name, c)
		}
	}
	if streams != 2 {
		t.Errorf("%d streams were looked at, want the queue and the dead letters", streams)
	}
}

func TestTheServerListensNowhere(t *testing.T) {
	b := openForTest(t, t.TempDir(), Options{})
	s := b.embedded.server
	for name, addr := range map[string]net.Addr{"clients": s.Addr(), "monitoring": s.MonitorAddr(), "cluster": s.ClusterAddr()} {
		if addr, ok := addr.(*net.TCPAddr); ok && addr != nil {
			t.Errorf("it listens for %s on %v", name, addr)
		}
	}
}

// A start writes no warning: a log that cries wolf is not read.
func TestAStartIsQuiet(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	for range 2 {
		b := openForTest(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		if err := b.Publish(t.Context(), broker.Message{ID: "i"}); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("it logged:\n%s", &out)
	}
}

// An append that runs out of time may or may not be on disk. What is stored
// afterwards must neither leave a gap nor stand twice under one offset.
func TestAnUnknownOutcomeLeavesNoGap(t *testing.T) {
	b := openForTest(t, t.TempDir(), Options{SegmentBytes: 1 << 10})
	var confirmed []string
	unknown := 0
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		if i%2 == 1 {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
		}
		id := fmt.Sprint(i)
		if err := b.journal.append(ctx, time.Now(), []broker.Message{{ID: id, Body: make([]byte, 100)}}); err == nil {
			confirmed = append(confirmed, id)
		} else {
			unknown++
		}
		cancel()
	}
	if unknown == 0 {
		t.Skip("every append was quicker than its time")
	}
	at, err := b.journal.locate(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for {
		messages, next, err := b.journal.read(t.Context(), at, 100, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(messages) == 0 {
			break
		}
		for _, m := range messages {
			if m.offset != uint64(len(found)) {
				t.Fatalf("message %s has the offset %d, want %d", m.ID, m.offset, len(found))
			}
			found = append(found, m.ID)
		}
		at = next
	}
	i := 0
	for _, id := range found {
		if i < len(confirmed) && confirmed[i] == id {
			i++
		}
	}
	if i != len(confirmed) {
		t.Errorf("%d of %d confirmed messages are there in order (%d outcomes were unknown)", i, len(confirmed), unknown)
	}
}

func TestLocateFindsEveryOffset(t *testing.T) {
	b := openForTest(t, t.TempDir(), Options{SegmentBytes: 128})
	for i := range 30 {
		var run []broker.Message
		for k := range i%4 + 1 {
			run = append(run, broker.Message{ID: fmt.Sprintf("%d.%d", i, k), Body: make([]byte, 50)})
		}
		if err := b.journal.append(t.Context(), time.Now(), run); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.journal.segments); n < 3 {
		t.Fatalf("there are only %d segments", n)
	}
	end := b.journal.end()
	for offset := range end + 1 {
		at, err := b.journal.locate(t.Context(), offset)
		if err != nil {
			t.Fatal(err)
		}
		messages, _, err := b.journal.read(t.Context(), at, 1, 1<<20)
		switch {
		case err != nil:
			t.Fatal(err)
		case offset == end:
			if len(messages) != 0 {
				t.Errorf("behind the end is message %d", messages[0].offset)
			}
		case len(messages) == 0 || messages[0].offset != offset:
			t.Errorf("offset %d was not found", offset)
		}
	}
}

func TestGatherFillsRecordsInOrder(t *testing.T) {
	call := func(sizes ...int) *publication {
		p := &publication{}
		for _, size := range sizes {
			p.messages = append(p.messages, broker.Message{Body: make([]byte, size)})
		}
		return p
	}
	many := call(make([]int, recordMessages+10)...)
	for _, c := range []struct {
		name    string
		waiting []*publication
		shares  []int
	}{
		{"one", []*publication{call(1)}, []int{1}},
		{"all that wait", []*publication{call(1), call(1, 1), call(1)}, []int{1, 2, 1}},
		{"as many as a record holds", []*publication{many, call(1)}, []int{recordMessages}},
		{"not beyond the bytes", []*publication{call(recordBytes / 2), call(recordBytes/2, 1), call(1)}, []int{1, 1}},
		{"a large one alone", []*publication{call(8 << 20), call(1)}, []int{1}},
		{"a large one waits for its own", []*publication{call(1), call(8 << 20)}, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			messages, shares := gather(c.waiting)
			total := 0
			for _, share := range shares {
				total += share
			}
			if !slices.Equal(shares, c.shares) || len(messages) != total {
				t.Errorf("got %d messages in shares of %v, want %v", len(messages), shares, c.shares)
			}
		})
	}
}

func TestRecordsRefuseDamage(t *testing.T) {
	data := record{offset: 7, publishedAt: time.UnixMicro(1), messages: []broker.Message{{ID: "i", Key: "k", Body: []byte("v")}}}.encode()
	for n := range data {
		if _, err := decodeRecord(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(data))
		}
	}
	for i := range data {
		data[i] ^= 4
		if _, err := decodeRecord(data); err == nil {
			t.Fatalf("it was accepted with byte %d changed", i)
		}
		data[i] ^= 4
	}
	if _, err := decodeRecord(encodeDead(broker.DeadMessage{})); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("a dead letter was taken for a record: %v", err)
	}
}

// FuzzRecord seals its input, so that it reaches the fields behind the checksum.
func FuzzRecord(f *testing.F) {
	r := record{offset: 1 << 40, publishedAt: time.UnixMicro(-5), messages: []broker.Message{{ID: "i", Key: "k", Body: []byte("v")}, {}}}
	data := r.encode()
	f.Add(data[:len(data)-checksumBytes])
	data = encodeDead(broker.DeadMessage{Message: r.messages[0], Reason: "r", At: r.publishedAt})
	f.Add(data[:len(data)-checksumBytes])
	f.Fuzz(func(t *testing.T, body []byte) {
		sealed := seal(slices.Clone(body))
		if r, err := decodeRecord(sealed); err == nil {
			again, err := decodeRecord(r.encode())
			if err != nil || again.offset != r.offset || len(again.messages) != len(r.messages) {
				t.Fatalf("a record does not survive encoding: %v", err)
			}
		}
		if d, err := decodeDead(sealed); err == nil {
			if _, err := decodeDead(encodeDead(d)); err != nil {
				t.Fatalf("a dead letter does not survive encoding: %v", err)
			}
		}
	})
}
