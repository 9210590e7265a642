package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/trivetkv/trivet/pkg/broker"
)

// journal is the queue on disk: messages in the order of their confirmation,
// each with its offset, the number of messages before it.
//
// It is kept in segments, one stream each, that are only ever appended to and
// are deleted whole once everything in them is settled. Nothing is removed
// inside a stream, because the server's file store then rewrites blocks in
// place, without a sync, together with the confirmed messages in them; and
// because purging up to a sequence above the last one takes along a message
// that is stored at the same moment.
type journal struct {
	js           natsjs.JetStream
	dir          string
	segmentBytes int64

	mu       sync.Mutex
	segments []*segment // by base; the last one takes the appends
	next     uint64     // offset of the next message
	settled  uint64     // every message below has its verdict
	grown    chan struct{}

	// unsure is set while the outcome of the last append is not known. Only the
	// publisher, which alone appends, reads and writes it.
	unsure bool
}

// position is a place between two records.
type position struct {
	offset  uint64
	segment *segment // the one that holds the offset, or the one before it; nil before the first segment
	record  uint64   // sequence number of the next record
}

// stored is one message with its place in the journal.
type stored struct {
	broker.Message
	offset      uint64
	publishedAt time.Time
}

// errDamaged is the cause of errors that no retry will heal.
var errDamaged = errors.New("the store is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

func newJournal(js natsjs.JetStream, dir string, segmentBytes int64) *journal {
	return &journal{js: js, dir: dir, segmentBytes: segmentBytes, grown: make(chan struct{})}
}

// open reads which segments there are, and holds them against each other and
// against what is remembered beside them.
func (j *journal) open(ctx context.Context, st state, known bool) error {
	segments, err := listSegments(ctx, j.js, j.dir)
	if err != nil {
		return err
	}
	for i, s := range segments {
		if s.records == 0 && i+1 < len(segments) {
			// Its creation was given up on, and succeeded after all.
			if err := s.delete(ctx); err != nil {
				return err
			}
			continue
		}
		if len(j.segments) > 0 && s.base != j.next {
			return damaged("message %d follows %d messages in the segments", s.base, j.next)
		}
		if j.next, err = s.end(ctx); err != nil {
			return err
		}
		j.segments = append(j.segments, s)
	}
	if !known {
		return nil
	}
	if len(j.segments) > 0 && j.segments[0].base > st.settled {
		return damaged("it begins at message %d, but only those before %d were settled", j.segments[0].base, st.settled)
	}
	if j.next < st.confirmed {
		return damaged("it ends before message %d, but %d were confirmed", j.next, st.confirmed)
	}
	return nil
}

// first is the offset of the oldest message that is still there.
func (j *journal) first() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) == 0 {
		return 0
	}
	return j.segments[0].base
}

// end is the offset behind the last confirmed message.
func (j *journal) end() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

// bytes is what the segments hold, settled messages included.
func (j *journal) bytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	var total int64
	for _, s := range j.segments {
		total += s.bytes
	}
	return total
}

// await returns once there are messages at or behind the offset.
func (j *journal) await(ctx context.Context, offset uint64) error {
	for {
		j.mu.Lock()
		next, grown := j.next, j.grown
		j.mu.Unlock()
		if next > offset {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// append writes one record and returns once it is on disk. After an error it
// may or may not be there. It has one caller at a time.
func (j *journal) append(ctx context.Context, at time.Time, messages []broker.Message) error {
	if err := j.reconcile(ctx); err != nil {
		return err
	}
	data := record{offset: j.end(), publishedAt: at, messages: messages}.encode()
	s, err := j.writable(ctx)
	if err != nil {
		return err
	}
	j.unsure = true
	// The expected sequence keeps a record whose outcome was unknown, and that
	// arrives after all, from standing beside this one under the same offset.
	sequence, err := s.publish(ctx, data, s.records)
	if err != nil {
		return err
	}
	j.unsure = false
	j.grow(s, sequence, int64(len(data)), j.end()+uint64(len(messages)))
	return nil
}

// reconcile finds out what became of an append whose outcome was not known.
func (j *journal) reconcile(ctx context.Context) error {
	if !j.unsure {
		return nil
	}
	j.mu.Lock()
	s, next := j.segments[len(j.segments)-1], j.next
	j.mu.Unlock()
	sequence, bytes, err := s.extent(ctx)
	if err != nil {
		return err
	}
	if sequence > s.records {
		last, err := s.read(ctx, sequence)
		if err != nil {
			return err
		}
		next = last.end()
	}
	j.unsure = false
	j.grow(s, sequence, bytes-s.bytes, next)
	return nil
}

func (j *journal) grow(s *segment, records uint64, bytes int64, next uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s.records = records
	s.bytes += bytes
	if next != j.next {
		j.next = next
		close(j.grown)
		j.grown = make(chan struct{})
	}
}

// writable gives the segment that takes the next record, a new one when the
// last one is full.
func (j *journal) writable(ctx context.Context) (*segment, error) {
	j.mu.Lock()
	next := j.next
	if n := len(j.segments); n > 0 && !j.full(j.segments[n-1]) {
		defer j.mu.Unlock()
		return j.segments[n-1], nil
	}
	j.mu.Unlock()
	s, err := createSegment(ctx, j.js, j.dir, next)
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments = append(j.segments, s)
	return s, nil
}

// full tells whether a segment should take no more: early when most of it is
// settled, so that it can soon be deleted, and late in a backlog, because each
// segment keeps its last block in memory for a while. It is called with the
// lock held.
func (j *journal) full(s *segment) bool {
	if s.bytes < j.segmentBytes {
		return false
	}
	unsettled := j.next - max(j.settled, s.base)
	return unsettled <= (j.next-s.base)/4 || s.bytes >= backlogSegments*j.segmentBytes
}

// backlogSegments is how much larger segments become in a backlog.
const backlogSegments = 16

// locate gives the position of an offset that is not before the first one.
func (j *journal) locate(ctx context.Context, offset uint64) (position, error) {
	j.mu.Lock()
	i, found := slices.BinarySearchFunc(j.segments, offset, func(s *segment, offset uint64) int {
		switch {
		case s.base < offset:
			return -1
		case s.base > offset:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 {
		j.mu.Unlock()
		return position{offset: offset}, nil
	}
	s := j.segments[i]
	low, high := uint64(1), s.records+1
	j.mu.Unlock()
	// The first record that ends behind the offset holds it.
	for low < high {
		middle := (low + high) / 2
		r, err := s.read(ctx, middle)
		if err != nil {
			return position{}, err
		}
		if r.end() <= offset {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return position{offset: offset, segment: s, record: low}, nil
}

// read gives the messages at a position and the position behind them: whole
// records, until they have maxMessages or maxBytes, and none when there are no
// more. An error comes once the messages before it were given.
func (j *journal) read(ctx context.Context, at position, maxMessages, maxBytes int) ([]stored, position, error) {
	var messages []stored
	for bytes := 0; len(messages) < maxMessages && bytes < maxBytes; {
		next, more := j.step(at)
		if !more {
			break
		}
		r, err := next.segment.read(ctx, next.record)
		if err == nil && (r.offset > at.offset || r.end() <= at.offset) {
			err = damaged("record %d of segment %d holds messages %d to %d, not %d",
				next.record, next.segment.base, r.offset, r.end()-1, at.offset)
		}
		if err != nil {
			if len(messages) > 0 {
				err = nil
			}
			return messages, at, err
		}
		for i, m := range r.messages[at.offset-r.offset:] {
			bytes += messageBytes(m)
			messages = append(messages, stored{Message: m, offset: at.offset + uint64(i), publishedAt: r.publishedAt})
		}
		at = position{offset: r.end(), segment: next.segment, record: next.record + 1}
	}
	return messages, at, nil
}

// step moves a position that is behind its segment to the next one, and tells
// whether there is a record.
func (j *journal) step(at position) (position, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if at.segment != nil && at.record <= at.segment.records {
		return at, true
	}
	for _, s := range j.segments {
		if (at.segment == nil || s.base > at.segment.base) && s.records > 0 {
			return position{offset: at.offset, segment: s, record: 1}, true
		}
	}
	return at, false
}

// settle notes below which offset every message has its verdict, and tells
// whether there are segments to trim.
func (j *journal) settle(offset uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settled = offset
	return len(j.segments) > 1 && j.segments[1].base <= offset
}

// trim deletes the segments in which every message is settled, but for the last
// segment.
func (j *journal) trim(ctx context.Context) error {
	for {
		j.mu.Lock()
		if len(j.segments) < 2 || j.segments[1].base > j.settled {
			j.mu.Unlock()
			return nil
		}
		s := j.segments[0]
		j.segments = slices.Delete(j.segments, 0, 1)
		j.mu.Unlock()
		if err := s.delete(ctx); err != nil {
			return err
		}
	}
}
