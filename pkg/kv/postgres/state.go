package postgres

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// address is a key within its namespace.
type address struct{ ns, key string }

// Kinds of rows, as the columns of that name hold them.
const (
	kindLock    = 0 // of entries: a row that is there only to be locked
	kindPut     = 1
	kindDeleted = 2
	kindExpired = 3
)

func changeKind(kind int16) kv.ChangeKind {
	switch kind {
	case kindPut:
		return kv.ChangePut
	case kindDeleted:
		return kv.ChangeDelete
	default:
		return kv.ChangeExpire
	}
}

// state is what one change left of a key: an entry or a tombstone. Times are
// µs since 1970.
type state struct {
	kind        int16
	version     kv.Version
	created     int64
	updated     int64
	expires     int64 // 0: never
	size        int64 // of the value
	contentType string
	meta        string // as encodeMeta wrote it
	value       []byte // nil where it was not asked for
}

// live tells whether the state is an entry that has not expired, at time now.
func (s *state) live(now int64) bool {
	return s != nil && s.kind == kindPut && (s.expires == 0 || now < s.expires)
}

// lapsed tells whether the state is an entry that has expired and is unswept.
func (s *state) lapsed(now int64) bool {
	return s != nil && s.kind == kindPut && s.expires != 0 && now >= s.expires
}

func (s *state) lastVersion() kv.Version {
	if s == nil {
		return 0
	}
	return s.version
}

// entry shows the state as the entry of a key, at time now and when the change
// log had come to head.
func (s *state) entry(key string, now, head int64) (kv.Entry, error) {
	meta, err := decodeMeta(s.meta)
	if err != nil {
		return kv.Entry{}, err
	}
	e := kv.Entry{
		Key:         key,
		Version:     s.version,
		Value:       s.value,
		Size:        s.size,
		ContentType: s.contentType,
		Meta:        meta,
		CreatedAt:   instant(s.created),
		UpdatedAt:   instant(s.updated),
		ExpiresAt:   instant(s.expires),
		Position:    kv.Position(head),
		Source:      kv.SourceDatabase,
	}
	if s.expires != 0 {
		e.TTLLeft = time.Duration(s.expires-now) * time.Microsecond
	}
	return e, nil
}

var errRow = fmt.Errorf("a row of the database is not as this program writes it; %w", errOwn)

// encodeMeta gives metadata as a JSON object, empty for none.
func encodeMeta(meta map[string]string) (string, error) {
	if len(meta) == 0 {
		return "", nil
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return "", fmt.Errorf("encode metadata: %w", err)
	}
	return string(text), nil
}

func decodeMeta(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // none is nil
	}
	var meta map[string]string
	if err := json.Unmarshal([]byte(text), &meta); err != nil {
		return nil, fmt.Errorf("decode metadata: %w; %w", err, errRow)
	}
	return meta, nil
}
