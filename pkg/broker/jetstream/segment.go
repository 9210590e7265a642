package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
)

// segment is one stream of the queue.
type segment struct {
	js      natsjs.JetStream
	stream  natsjs.Stream
	name    string
	base    uint64 // offset of its first message
	records uint64 // sequence number of the last record; guarded by the journal
	bytes   int64  // guarded by the journal
	files   names  // of its blocks; the publisher's
}

const (
	segmentPrefix  = "queue-"
	segmentSubject = "queue."
)

// segmentName makes a name that was never used before. When a process is killed
// while it makes a stream, a part of the description stays; a stream made under
// the same name later would keep that part, and be lost with all its messages
// at the next start.
func segmentName(base uint64) string {
	return fmt.Sprintf("%s%020d-%08x", segmentPrefix, base, rand.Uint32()) //nolint:gosec // no secret
}

// segmentBase is the inverse of segmentName. It tells false for other streams.
func segmentBase(name string) (uint64, bool, error) {
	name, ok := strings.CutPrefix(name, segmentPrefix)
	if !ok {
		return 0, false, nil
	}
	digits, _, _ := strings.Cut(name, "-")
	base, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, false, damaged("it has a stream named %q", segmentPrefix+name)
	}
	return base, true, nil
}

// blockDirectory is where the server keeps the blocks of a stream.
func blockDirectory(dir, name string) string {
	return filepath.Join(dir, server.JetStreamStoreDir, server.DEFAULT_GLOBAL_ACCOUNT, "streams", name, "msgs")
}

func listSegments(ctx context.Context, js natsjs.JetStream, dir string) ([]*segment, error) {
	var segments []*segment
	lister := js.ListStreams(ctx)
	for info := range lister.Info() {
		base, ok, err := segmentBase(info.Config.Name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		st := info.State
		if st.Msgs != st.LastSeq || st.NumDeleted != 0 {
			return nil, damaged("segment %d has %d records; it had %d", base, st.Msgs, st.LastSeq)
		}
		segments = append(segments, &segment{
			js: js, name: info.Config.Name, base: base, records: st.LastSeq, bytes: int64(st.Bytes), //nolint:gosec // bytes on a disk
			files: names{dir: blockDirectory(dir, info.Config.Name)},
		})
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	slices.SortFunc(segments, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.records, b.records))
	})
	for _, s := range segments {
		var err error
		if s.stream, err = js.Stream(ctx, s.name); err != nil {
			return nil, fmt.Errorf("open segment %d: %w", s.base, err)
		}
	}
	return segments, nil
}

// createSegment returns once a power cut would not take the segment back.
func createSegment(ctx context.Context, js natsjs.JetStream, dir string, base uint64) (*segment, error) {
	name := segmentName(base)
	stream, err := js.CreateStream(ctx, natsjs.StreamConfig{
		Name:        name,
		Subjects:    []string{segmentSubject + name},
		Storage:     natsjs.FileStorage,
		Retention:   natsjs.LimitsPolicy,
		Discard:     natsjs.DiscardNew,
		MaxMsgSize:  maxRecordBytes + maxHeaderBytes,
		AllowDirect: true,
	})
	if err != nil {
		return nil, fmt.Errorf("create segment %d: %w", base, err)
	}
	s := &segment{js: js, stream: stream, name: name, base: base, files: names{dir: blockDirectory(dir, name)}}
	if err := syncDirectories(dir); err != nil {
		return nil, errors.Join(err, s.delete(ctx))
	}
	return s, nil
}

// publish stores a record behind the given one, and gives its sequence number
// once it is on disk.
func (s *segment) publish(ctx context.Context, data []byte, after uint64) (uint64, error) {
	msg := &nats.Msg{Subject: segmentSubject + s.name, Data: data}
	ack, err := s.js.PublishMsg(ctx, msg, natsjs.WithExpectLastSequence(after), natsjs.WithRetryAttempts(0))
	if err != nil {
		return 0, fmt.Errorf("store %d bytes: %w", len(data), err)
	}
	if err := s.files.sync(); err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// read gives the record with a sequence number that was confirmed.
func (s *segment) read(ctx context.Context, sequence uint64) (record, error) {
	msg, err := s.stream.GetMsg(ctx, sequence)
	if errors.Is(err, natsjs.ErrMsgNotFound) {
		return record{}, damaged("record %d of segment %d cannot be read", sequence, s.base)
	}
	if err != nil {
		return record{}, fmt.Errorf("read record %d of segment %d: %w", sequence, s.base, err)
	}
	if msg.Sequence != sequence {
		return record{}, damaged("segment %d has record %d in the place of record %d", s.base, msg.Sequence, sequence)
	}
	r, err := decodeRecord(msg.Data)
	if err != nil {
		return record{}, damaged("record %d of segment %d: %v", sequence, s.base, err)
	}
	return r, nil
}

// extent asks the server for the last sequence number and the bytes.
func (s *segment) extent(ctx context.Context) (records uint64, bytes int64, err error) {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("look at segment %d: %w", s.base, err)
	}
	return info.State.LastSeq, int64(info.State.Bytes), nil //nolint:gosec // bytes on a disk
}

// end is the offset behind the segment's last message.
func (s *segment) end(ctx context.Context) (uint64, error) {
	if s.records == 0 {
		return s.base, nil
	}
	last, err := s.read(ctx, s.records)
	if err != nil {
		return 0, err
	}
	return last.end(), nil
}

func (s *segment) delete(ctx context.Context) error {
	err := s.js.DeleteStream(ctx, s.name)
	if err != nil && !errors.Is(err, natsjs.ErrStreamNotFound) {
		return fmt.Errorf("delete segment %d: %w", s.base, err)
	}
	return nil
}
