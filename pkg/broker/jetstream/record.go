package jetstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

// A record is what one message of a stream holds: a run of messages that were
// published together, because a stream syncs once for each of its messages and
// concurrent callers have to share that.
//
//	format byte
//	offset of the first message, uvarint
//	time of publishing in microseconds since 1970, varint
//	number of messages, uvarint
//	of each message: ID, key and body, each with its length before it
//	CRC-32C of all that precedes it, big-endian
type record struct {
	offset      uint64
	publishedAt time.Time
	messages    []broker.Message
}

const (
	recordFormat     = 1
	deadRecordFormat = 2

	checksumBytes = 4

	// Limits of what is put into one record: enough for the sync to cost each
	// message little, and not so much that one waits for many others.
	recordMessages = 256
	recordBytes    = 1 << 20

	// A record with one message of the largest size, and framing.
	maxRecordBytes = broker.MaxMessageBytes + 1<<10
	maxHeaderBytes = 4 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errCut = errors.New("the record is cut off")

// end is the offset behind the record.
func (r record) end() uint64 { return r.offset + uint64(len(r.messages)) }

func messageBytes(m broker.Message) int { return len(m.ID) + len(m.Key) + len(m.Body) }

func (r record) encode() []byte {
	size := 32 + checksumBytes
	for _, m := range r.messages {
		size += messageBytes(m) + 3*binary.MaxVarintLen32
	}
	buf := append(make([]byte, 0, size), recordFormat)
	buf = binary.AppendUvarint(buf, r.offset)
	buf = binary.AppendVarint(buf, r.publishedAt.UnixMicro())
	buf = binary.AppendUvarint(buf, uint64(len(r.messages)))
	for _, m := range r.messages {
		buf = appendMessage(buf, m)
	}
	return seal(buf)
}

// decodeRecord is the inverse of encode. Bodies are parts of data.
func decodeRecord(data []byte) (record, error) {
	f, err := unseal(data, recordFormat)
	if err != nil {
		return record{}, err
	}
	r := record{offset: f.uvarint(), publishedAt: time.UnixMicro(f.varint())}
	n := f.uvarint()
	if n > uint64(len(f.rest)) {
		return record{}, errCut
	}
	r.messages = make([]broker.Message, n)
	for i := range r.messages {
		r.messages[i] = f.message()
	}
	return r, f.close()
}

// encodeDead is the form of a dead letter: its time, reason and message.
func encodeDead(d broker.DeadMessage) []byte {
	buf := append(make([]byte, 0, 64+len(d.Reason)+messageBytes(d.Message)), deadRecordFormat)
	buf = binary.AppendVarint(buf, d.At.UnixMicro())
	buf = appendText(buf, d.Reason)
	return seal(appendMessage(buf, d.Message))
}

func decodeDead(data []byte) (broker.DeadMessage, error) {
	f, err := unseal(data, deadRecordFormat)
	if err != nil {
		return broker.DeadMessage{}, err
	}
	d := broker.DeadMessage{At: time.UnixMicro(f.varint()), Reason: string(f.text())}
	d.Message = f.message()
	return d, f.close()
}

func appendMessage(buf []byte, m broker.Message) []byte {
	return appendText(appendText(appendText(buf, m.ID), m.Key), m.Body)
}

func appendText[T string | []byte](buf []byte, text T) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(text))), text...)
}

func seal(buf []byte) []byte {
	return binary.BigEndian.AppendUint32(buf, crc32.Checksum(buf, castagnoli))
}

func unseal(data []byte, format byte) (*fields, error) {
	if len(data) < 1+checksumBytes {
		return nil, errCut
	}
	if data[0] != format {
		return nil, fmt.Errorf("the record has format %d; this version reads format %d", data[0], format)
	}
	body, sum := data[:len(data)-checksumBytes], data[len(data)-checksumBytes:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) {
		return nil, errors.New("the record's checksum does not match")
	}
	return &fields{rest: body[1:]}, nil
}

// fields takes fields off the front of rest; callers look at the error once, in
// close.
type fields struct {
	rest []byte
	err  error
}

func (f *fields) message() broker.Message {
	return broker.Message{ID: string(f.text()), Key: string(f.text()), Body: f.text()}
}

func (f *fields) text() []byte {
	n := f.uvarint()
	if n > uint64(len(f.rest)) {
		f.fail()
		return nil
	}
	text := f.rest[:n:n]
	f.rest = f.rest[n:]
	return text
}

func (f *fields) uvarint() uint64 {
	n, size := binary.Uvarint(f.rest)
	if size <= 0 {
		f.fail()
		return 0
	}
	f.rest = f.rest[size:]
	return n
}

func (f *fields) varint() int64 {
	n, size := binary.Varint(f.rest)
	if size <= 0 {
		f.fail()
		return 0
	}
	f.rest = f.rest[size:]
	return n
}

func (f *fields) fail() {
	f.err = errCut
	f.rest = nil
}

func (f *fields) close() error {
	if f.err == nil && len(f.rest) > 0 {
		return fmt.Errorf("%d bytes follow the record's end", len(f.rest))
	}
	return f.err
}
