package amqp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/rabbitmq/amqp091-go"

	"github.com/trivetkv/trivet/pkg/broker"
)

// A message travels in the body of the server's: AMQP's own properties take
// neither any bytes nor any length. The form is
//
//	1 byte     form, 1
//	8 bytes    when it was published, microseconds since 1970, big endian
//	uvarint    length of the ID, then the ID
//	uvarint    length of the key, then the key
//	the rest   the body
const messageForm = 1

const messageHead = 9 // bytes before the ID

var errForeign = errors.New("it is no message of this broker")

func encode(m broker.Message, publishedAt time.Time) []byte {
	data := make([]byte, 0, messageHead+2*binary.MaxVarintLen32+len(m.ID)+len(m.Key)+len(m.Body))
	data = append(data, messageForm)
	data = binary.BigEndian.AppendUint64(data, uint64(publishedAt.UnixMicro()))
	data = binary.AppendUvarint(data, uint64(len(m.ID)))
	data = append(data, m.ID...)
	data = binary.AppendUvarint(data, uint64(len(m.Key)))
	data = append(data, m.Key...)
	return append(data, m.Body...)
}

func decode(data []byte) (m broker.Message, publishedAt time.Time, err error) {
	if len(data) < messageHead || data[0] != messageForm {
		return m, publishedAt, errForeign
	}
	publishedAt = time.UnixMicro(int64(binary.BigEndian.Uint64(data[1:messageHead]))) //nolint:gosec // as it was written
	rest := data[messageHead:]
	for _, field := range []*string{&m.ID, &m.Key} {
		n, width := binary.Uvarint(rest)
		if width <= 0 || n > uint64(len(rest)-width) { //nolint:gosec // width is at most what rest has
			return broker.Message{}, time.Time{}, errForeign
		}
		end := width + int(n) //nolint:gosec // within rest
		*field, rest = string(rest[width:end]), rest[end:]
	}
	m.Body = rest
	return m, publishedAt, nil
}

// publishing makes the server's message of an encoded one. The ID is repeated
// for people who look at the queue.
func publishing(id string, data []byte) amqp091.Publishing {
	p := amqp091.Publishing{DeliveryMode: amqp091.Persistent, Body: data}
	if len(id) <= 255 && utf8.ValidString(id) {
		p.MessageId = id
	}
	return p
}

// Headers of a dead letter that a verdict has made.
const (
	headerReason = "trivet-reason"
	headerDeadAt = "trivet-dead-at" // microseconds since 1970
)

// maxReasonBytes keeps a reason within one frame with everything beside it.
const maxReasonBytes = 512

func deadPublishing(id string, data []byte, reason string, at time.Time) amqp091.Publishing {
	p := publishing(id, data)
	if len(reason) > maxReasonBytes {
		reason = reason[:maxReasonBytes]
	}
	p.Headers = amqp091.Table{headerReason: reason, headerDeadAt: at.UnixMicro()}
	return p
}

// decodeDead reads a dead letter. The server itself has made those without our
// headers; what is not one of our messages is given as it is.
func decodeDead(d amqp091.Delivery) broker.DeadMessage {
	m, _, err := decode(d.Body)
	if err != nil {
		m = broker.Message{ID: d.MessageId, Body: d.Body}
	}
	letter := broker.DeadMessage{Message: m}
	if at, ok := d.Headers[headerDeadAt].(int64); ok {
		letter.At = time.UnixMicro(at)
		letter.Reason, _ = d.Headers[headerReason].(string)
		return letter
	}
	deaths, _ := d.Headers["x-death"].([]any)
	if len(deaths) == 0 {
		return letter
	}
	death, _ := deaths[0].(amqp091.Table)
	letter.At, _ = death["time"].(time.Time)
	letter.Reason = fmt.Sprintf("the server has set it aside: %v", death["reason"])
	if death["reason"] == "delivery_limit" {
		letter.Reason = "the server has delivered it as often as it may without a verdict"
	}
	return letter
}
