package redis

import (
	"context"
	"runtime"
)

// steps gathers the scripts of concurrent callers into pipelines, as reads does
// with GETs. Scripts of one caller are in one pipeline.
type steps struct {
	queue   chan *call
	stopped <-chan struct{}
	exec    executor
	clock   func() (any, bool)
	size    func(batch int)
}

// maxSteps is the number of scripts from which on a pipeline takes no more
// callers.
const maxSteps = 256

// call is the scripts of one caller.
type call struct {
	session *session
	script  script
	keys    []string
	args    []any // as many for each key, one key's after another's
	answers []any // of each key
	err     error
	done    chan struct{}
}

func newSteps(exec executor, clock func() (any, bool), stopped <-chan struct{}, size func(batch int)) *steps {
	return &steps{queue: make(chan *call, maxSteps), stopped: stopped, exec: exec, clock: clock, size: size}
}

// make makes the scripts and gives their answers. The error is the first one's
// that failed, or that of a caller who left: then they may or may not be made.
func (s *steps) make(ctx context.Context, c *call) ([]any, error) {
	c.done = make(chan struct{})
	select {
	case s.queue <- c:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.stopped:
		return nil, errStopped
	}
	select {
	case <-c.done:
		return c.answers, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.stopped:
		return nil, errStopped
	}
}

// run is one loop.
func (s *steps) run(ctx context.Context) {
	var batch []*call
	for {
		select {
		case c := <-s.queue:
			batch = append(batch[:0], c)
		case <-ctx.Done():
			return
		}
		runtime.Gosched() // to those who are about to ask, as those are whom one batch has answered
		n := len(batch[0].keys)
	gathering:
		for n < maxSteps {
			select {
			case c := <-s.queue:
				batch = append(batch, c)
				n += len(c.keys)
			default:
				break gathering
			}
		}
		s.size(n)
		s.ask(ctx, batch)
		for i, c := range batch {
			batch[i] = nil
			close(c.done)
		}
	}
}

func (s *steps) ask(ctx context.Context, batch []*call) {
	on := batch[0].session
	asked := batch[:0:0]
	for _, c := range batch {
		if c.session == on {
			asked = append(asked, c)
		} else {
			c.err = errSessionEnded
		}
	}
	err := s.exec(ctx, on, func(ctx context.Context) error {
		unknown, err := s.pipeline(ctx, asked, "evalsha", func(sc script) string { return sc.name })
		if len(unknown) > 0 {
			// Redis has forgotten the scripts, or a node of the cluster is new:
			// sent in full once, they are known again.
			_, err = s.pipeline(ctx, unknown, "eval", func(sc script) string { return sc.source })
		}
		return err
	})
	for _, c := range asked {
		if c.err == nil && c.answers == nil {
			c.err = err
		}
	}
}
