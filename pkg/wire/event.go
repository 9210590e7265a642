package wire

import (
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Event is the data of one event of a watch. Its kind is the event's name and
// its position the event's id.
type Event struct {
	Key         string     `json:"key"`
	KeyEncoding string     `json:"key_encoding,omitempty"`
	Version     kv.Version `json:"version"`
	Value       []byte     `json:"value,omitzero"`
	Truncated   bool       `json:"truncated,omitempty"` // the value was left out for its size
	ContentType string     `json:"content_type,omitempty"`
	At          Time       `json:"at"`
}

// FromChange makes the shape of a change, with its value when values is true.
func FromChange(c kv.Change, values bool) Event {
	shape := Event{Version: c.Version, ContentType: c.ContentType, At: Time(c.At)}
	shape.Key, shape.KeyEncoding = kv.EncodeKey(c.Key)
	if c.Kind == kv.ChangePut && values {
		if c.Truncated {
			shape.Truncated = true
		} else {
			shape.Value = present(c.Value)
		}
	}
	return shape
}

// KV gives the change of a kind at a position.
func (e Event) KV(kind kv.ChangeKind, position kv.Position) (kv.Change, error) {
	key, err := kv.DecodeKey(e.Key, e.KeyEncoding)
	if err != nil {
		return kv.Change{}, err
	}
	return kv.Change{
		Position: position, Kind: kind, Key: key, Version: e.Version, Value: e.Value,
		Truncated: e.Truncated, ContentType: e.ContentType, At: time.Time(e.At),
	}, nil
}
