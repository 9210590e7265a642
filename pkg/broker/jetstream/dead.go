package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/trivetkv/trivet/pkg/broker"
)

const (
	deadStream  = "dead-letters"
	deadSubject = "dead"

	// Dead letters are kept for people to look at, within these bounds.
	deadLetterAge   = 30 * 24 * time.Hour
	deadLetterBytes = 1 << 30
)

// deadLetters keeps the messages that were set aside, in a stream of its own
// that is made for the first of them.
type deadLetters struct {
	js     natsjs.JetStream
	logger *slog.Logger
	dir    string
}

// add returns once the message is on disk.
func (d *deadLetters) add(ctx context.Context, m broker.DeadMessage) error {
	data := encodeDead(m)
	_, err := d.js.Publish(ctx, deadSubject, data, natsjs.WithRetryAttempts(0))
	if errors.Is(err, natsjs.ErrNoStreamResponse) {
		if err = d.create(ctx); err == nil {
			_, err = d.js.Publish(ctx, deadSubject, data)
		}
	}
	if err != nil {
		return fmt.Errorf("store a dead letter: %w", err)
	}
	d.logger.Warn("a message was set aside as a dead letter", "id", m.ID, "reason", m.Reason)
	if info, err := d.info(ctx); err == nil && info.State.Bytes > deadLetterBytes/10*9 {
		d.logger.Warn("the dead letters nearly fill their space; the oldest ones are dropped when they do",
			"directory", d.dir, "messages", info.State.Msgs, "bytes", info.State.Bytes, "limit", deadLetterBytes)
	}
	return nil
}

func (d *deadLetters) create(ctx context.Context) error {
	_, err := d.js.CreateStream(ctx, natsjs.StreamConfig{
		Name:        deadStream,
		Subjects:    []string{deadSubject},
		Storage:     natsjs.FileStorage,
		Retention:   natsjs.LimitsPolicy,
		Discard:     natsjs.DiscardOld,
		MaxAge:      deadLetterAge,
		MaxBytes:    deadLetterBytes,
		MaxMsgSize:  maxRecordBytes + maxHeaderBytes,
		AllowDirect: true,
	})
	return err
}

// latest gives the last letters, the oldest of them first.
func (d *deadLetters) latest(ctx context.Context, limit int) ([]broker.DeadMessage, error) {
	info, err := d.info(ctx)
	if err != nil || info.State.Msgs == 0 {
		return nil, err
	}
	stream, err := d.js.Stream(ctx, deadStream)
	if err != nil {
		return nil, err
	}
	n := min(uint64(max(limit, 0)), info.State.Msgs)
	letters := make([]broker.DeadMessage, 0, n)
	for sequence := info.State.LastSeq - n + 1; sequence <= info.State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(ctx, sequence)
		if errors.Is(err, natsjs.ErrMsgNotFound) {
			continue // it has aged out meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read dead letter %d: %w", sequence, err)
		}
		letter, err := decodeDead(msg.Data)
		if err != nil {
			return nil, damaged("dead letter %d: %v", sequence, err)
		}
		letters = append(letters, letter)
	}
	return letters, nil
}

func (d *deadLetters) count(ctx context.Context) (int64, error) {
	info, err := d.info(ctx)
	if err != nil {
		return 0, err
	}
	return int64(info.State.Msgs), nil //nolint:gosec // a count
}

// info is empty, not an error, while there is no stream.
func (d *deadLetters) info(ctx context.Context) (*natsjs.StreamInfo, error) {
	stream, err := d.js.Stream(ctx, deadStream)
	if errors.Is(err, natsjs.ErrStreamNotFound) {
		return &natsjs.StreamInfo{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the dead letters: %w", err)
	}
	return stream.CachedInfo(), nil
}
