package redis

import (
	"context"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// NewAt makes a cache whose deadlines go by a clock of the test's own, under an
// epoch that never changes.
func NewAt(address Address, opts Options, now func() time.Time) (*Cache, error) {
	micros := func() int64 { return now().UnixMicro() }
	c, err := newCache(address, opts, clock{
		lua: "local function clock() return tonumber(ARGV[#ARGV]) end\n",
		arg: func() (any, bool) { return micros(), true },
		now: func(*session) int64 { return micros() },
	})
	if err == nil {
		c.epochs = fixedEpoch{c}
	}
	return c, err
}

type fixedEpoch struct{ cache *Cache }

func (fixedEpoch) Refresh(context.Context) error { return nil }

func (e fixedEpoch) Readable() (int64, string, bool) {
	if s := e.cache.session.Load(); s != nil {
		return 1, s.state, true
	}
	return 1, "", true
}

func (e fixedEpoch) Writable() (int64, string, bool) { return e.Readable() }

// youngEpoch is one that nobody reads yet.
type youngEpoch struct{ fixedEpoch }

func (youngEpoch) Readable() (int64, string, bool) { return 0, "", false }

// SetYoung has the epoch of a cache of NewAt be one that nobody reads yet, or
// one that is read. No step may be under way.
func (c *Cache) SetYoung(young bool) {
	c.epochs = fixedEpoch{c}
	if young {
		c.epochs = youngEpoch{fixedEpoch{c}}
	}
}

// unknownEpoch is one that a write has to ask for.
type unknownEpoch struct {
	fixedEpoch
	err   error
	known *bool
}

func (e unknownEpoch) Refresh(context.Context) error {
	*e.known = e.err == nil
	return e.err
}

func (e unknownEpoch) Writable() (int64, string, bool) {
	number, state, _ := e.Readable()
	return number, state, *e.known
}

// SetUnknown has the epoch of a cache of NewAt be one that has to be asked for,
// which fails with an error or, with nil, does not. No step may be under way.
func (c *Cache) SetUnknown(err error) { c.epochs = unknownEpoch{fixedEpoch{c}, err, new(bool)} }

// Forget drops a key's value, as Redis may at any moment.
func (c *Cache) Forget(ctx context.Context, key cache.Key) error {
	number, _, _ := c.epochs.Writable()
	return c.session.Load().client.Del(ctx, c.name(number, key)).Err()
}

// Pack and Unpack are what entries are stored as.
func Pack(e *kv.Entry) []byte { return pack(e) }

// Unpack reads what was stored.
func Unpack(s, key string, now int64) (kv.Entry, bool, error) { return unpack(s, key, now) }

// Readable tells whether the cache may answer reads.
func (c *Cache) Readable() bool {
	_, _, err := c.use(c.epochs.Readable)
	return err == nil
}
