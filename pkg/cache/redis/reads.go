package redis

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"unsafe"

	goredis "github.com/redis/go-redis/v9"
)

// reads gathers the GETs of concurrent callers: each of its loops takes all
// that wait, up to a bound, and asks for them in one round trip. Nobody waits
// for others to come.
type reads struct {
	queue   chan *get
	stopped <-chan struct{}
	exec    executor
	pool    sync.Pool
	size    func(batch int)
}

// executor makes one round trip, within the time-out.
type executor func(ctx context.Context, s *session, do func(ctx context.Context) error) error

// maxReads bounds a round trip, so that the first of them does not wait long
// for the last, and large values do not pile up.
const maxReads = 128

// get is one caller's wait for the value of a key.
type get struct {
	session *session
	name    []byte // of the key in Redis
	key     string // name, as go-redis wants it
	value   string // "" when there is none
	err     error
	done    chan struct{} // takes one token
}

func newReads(exec executor, stopped <-chan struct{}, size func(batch int)) *reads {
	return &reads{
		queue:   make(chan *get, 8*maxReads),
		stopped: stopped,
		exec:    exec,
		size:    size,
		pool:    sync.Pool{New: func() any { return &get{name: make([]byte, 0, 128), done: make(chan struct{}, 1)} }},
	}
}

// value gives what Redis keeps under a name, "" for nothing.
func (r *reads) value(ctx context.Context, s *session, name func([]byte) []byte) (string, error) {
	g := r.pool.Get().(*get) //nolint:forcetypeassert // the pool holds nothing else
	g.session, g.name = s, name(g.name[:0])
	g.key = unsafe.String(&g.name[0], len(g.name)) // it is never empty, nor changed before the answer
	select {
	case r.queue <- g:
	case <-ctx.Done():
		r.pool.Put(g)
		return "", ctx.Err()
	}
	select {
	case <-g.done:
		value, err := g.value, g.err
		g.value, g.err, g.session = "", nil, nil
		r.pool.Put(g)
		return value, err
	case <-ctx.Done():
		return "", ctx.Err() // g is answered yet, and then garbage
	case <-r.stopped:
		return "", errStopped
	}
}

// run is one loop.
func (r *reads) run(ctx context.Context) {
	t := &trip{}
	for {
		select {
		case g := <-r.queue:
			t.batch = append(t.batch[:0], g)
		case <-ctx.Done():
			return
		}
		r.gather(t)
		r.size(len(t.batch))
		r.ask(ctx, t)
		for i, g := range t.batch {
			t.batch[i] = nil
			g.done <- struct{}{}
		}
	}
}

// gather takes what waits already. It gives way once before: the loop is woken
// by the first caller, and a round trip costs more than to let those who are
// about to ask do so. GETs of another session than the first's are answered by
// an error: theirs has ended, or the first one's has.
func (r *reads) gather(t *trip) {
	runtime.Gosched()
	for len(t.batch) < maxReads {
		select {
		case g := <-r.queue:
			t.batch = append(t.batch, g)
		default:
			return
		}
	}
}

// trip is one round trip, with what is used again for the next.
type trip struct {
	batch []*get
	asked []*get
	args  []any
}

func (r *reads) ask(ctx context.Context, t *trip) {
	s := t.batch[0].session
	t.asked = t.asked[:0]
	for _, g := range t.batch {
		if g.session == s {
			t.asked = append(t.asked, g)
		} else {
			g.err = errSessionEnded
		}
	}
	err := r.exec(ctx, s, func(ctx context.Context) error {
		if s.topology == cluster {
			return t.getEach(ctx, s)
		}
		return t.getAll(ctx, s)
	})
	if err != nil {
		for _, g := range t.asked {
			if g.value == "" && g.err == nil {
				g.err = err
			}
		}
	}
	clear(t.asked)
}

// getAll asks for all keys in one command, which costs the client and the
// server a good deal less than one command each.
func (t *trip) getAll(ctx context.Context, s *session) error {
	t.args = append(t.args[:0], "mget")
	for _, g := range t.asked {
		t.args = append(t.args, &g.key)
	}
	defer clear(t.args)
	cmd := goredis.NewSliceCmd(ctx, t.args...)
	if err := s.client.Process(ctx, cmd); err != nil {
		return err
	}
	values := cmd.Val()
	if len(values) != len(t.asked) {
		return errMalformed
	}
	for i, g := range t.asked {
		g.value, _ = values[i].(string) // nil where there is no value
	}
	return nil
}

// getEach asks the nodes of a cluster for the keys that each has.
func (t *trip) getEach(ctx context.Context, s *session) error {
	pipe := s.client.Pipeline()
	cmds := make([]*goredis.StringCmd, len(t.asked))
	for i, g := range t.asked {
		cmds[i] = pipe.Get(ctx, string(g.name))
	}
	_, err := pipe.Exec(ctx)
	for i, g := range t.asked {
		g.value, g.err = cmds[i].Result()
		if errors.Is(g.err, goredis.Nil) {
			g.err = nil
		}
	}
	if errors.Is(err, goredis.Nil) {
		return nil
	}
	return err
}
