package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
)

// segment is one stream of the queue. Its name says the offset of its first
// message.
type segment struct {
	js      natsjs.JetStream
	stream  natsjs.Stream
	base    uint64
	records uint64 // sequence number of the last record; guarded by the journal
	bytes   int64  // guarded by the journal
}

const (
	segmentPrefix  = "queue-"
	segmentSubject = "queue."
)

func segmentName(base uint64) string { return fmt.Sprintf("%s%020d", segmentPrefix, base) }

func listSegments(ctx context.Context, js natsjs.JetStream) ([]*segment, error) {
	var segments []*segment
	lister := js.ListStreams(ctx)
	for info := range lister.Info() {
		digits, ok := strings.CutPrefix(info.Config.Name, segmentPrefix)
		if !ok {
			continue
		}
		base, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			return nil, damaged("it has a stream named %q", info.Config.Name)
		}
		st := info.State
		if st.Msgs != st.LastSeq || st.NumDeleted != 0 {
			return nil, damaged("segment %d has %d records; it had %d", base, st.Msgs, st.LastSeq)
		}
		segments = append(segments, &segment{js: js, base: base, records: st.LastSeq, bytes: int64(st.Bytes)}) //nolint:gosec // bytes on a disk
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	slices.SortFunc(segments, func(a, b *segment) int {
		if a.base < b.base {
			return -1
		}
		return 1
	})
	for _, s := range segments {
		var err error
		if s.stream, err = js.Stream(ctx, segmentName(s.base)); err != nil {
			return nil, fmt.Errorf("open segment %d: %w", s.base, err)
		}
	}
	return segments, nil
}

func createSegment(ctx context.Context, js natsjs.JetStream, base uint64) (*segment, error) {
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
	return &segment{js: js, stream: stream, base: base}, nil
}

// publish stores a record behind the given one, and gives its sequence number
// once it is on disk.
func (s *segment) publish(ctx context.Context, data []byte, after uint64) (uint64, error) {
	msg := &nats.Msg{Subject: segmentSubject + segmentName(s.base), Data: data}
	ack, err := s.js.PublishMsg(ctx, msg, natsjs.WithExpectLastSequence(after), natsjs.WithRetryAttempts(0))
	if err != nil {
		return 0, fmt.Errorf("store %d bytes: %w", len(data), err)
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
	err := s.js.DeleteStream(ctx, segmentName(s.base))
	if err != nil && !errors.Is(err, natsjs.ErrStreamNotFound) {
		return fmt.Errorf("delete segment %d: %w", s.base, err)
	}
	return nil
}
