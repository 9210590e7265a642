package redis

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"
)

// Bounds of one command. Redis does nothing else while a script runs.
const (
	maxCommandKeys  = 64
	maxCommandBytes = 64 << 10
)

// command is one run of a script, for keys of one caller or of several.
type command struct {
	script script
	keys   []any
	args   []any
	bytes  int
	from   []answered
	cmd    *goredis.Cmd
}

// answered says whose keys are in a command: count of them, from the first on.
type answered struct {
	call         *call
	first, count int
}

// full tells whether a command takes no more keys. Keys of a cluster are on
// nodes of their own.
func (c *command) full(of topology) bool {
	return of == cluster || len(c.keys) >= maxCommandKeys || c.bytes >= maxCommandBytes
}

func (c *command) add(of *call, i int) {
	n := len(of.args) / len(of.keys)
	c.keys = append(c.keys, of.keys[i])
	c.args = append(c.args, of.args[i*n:(i+1)*n]...)
	for _, arg := range c.args[len(c.args)-n:] {
		if packed, ok := arg.([]byte); ok {
			c.bytes += len(packed)
		}
	}
	if last := len(c.from) - 1; last >= 0 && c.from[last].call == of {
		c.from[last].count++
		return
	}
	c.from = append(c.from, answered{call: of, first: i, count: 1})
}

// gather makes commands of the callers' steps: a run of a script costs Redis
// more than what it does to one key.
func gather(calls []*call, of topology) []*command {
	var commands []*command
	open := map[string]*command{} // by script
	for _, c := range calls {
		for i := range c.keys {
			into := open[c.script.name]
			if into == nil || into.full(of) {
				into = &command{script: c.script}
				open[c.script.name] = into
				commands = append(commands, into)
			}
			into.add(c, i)
		}
	}
	return commands
}

// pipeline makes the steps of all callers, and gives those callers of whom Redis
// did not know the script. Their other steps may have been made; each is as good
// made twice.
func (s *steps) pipeline(ctx context.Context, calls []*call, name string, text func(script) string) (unknown []*call, err error) {
	on := calls[0].session
	pipe := on.client.Pipeline()
	commands := gather(calls, on.topology)
	for _, c := range commands {
		args := make([]any, 0, 4+len(c.keys)+len(c.args))
		args = append(args, name, text(c.script), len(c.keys))
		args = append(append(args, c.keys...), c.args...)
		if now, ok := s.clock(); ok {
			args = append(args, now)
		}
		c.cmd = goredis.NewCmd(ctx, args...)
		if err := pipe.Process(ctx, c.cmd); err != nil {
			return nil, err
		}
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for _, c := range calls {
		c.answers, c.err = make([]any, len(c.keys)), nil
	}
	for _, c := range commands {
		c.answer()
	}
	for _, c := range calls {
		switch {
		case c.err == nil:
		case goredis.HasErrorPrefix(c.err, "NOSCRIPT"):
			c.err = nil
			unknown = append(unknown, c)
		case err == nil:
			err = c.err
		}
	}
	return unknown, err
}

// answer hands a command's answers to its callers. Of a caller's errors the
// first one counts, but for a script that is not known: it is sent again.
func (c *command) answer() {
	answers, err := c.cmd.Slice()
	if err == nil && len(answers) != len(c.keys) {
		err = fmt.Errorf("redis gave %d answers for %d keys", len(answers), len(c.keys))
	}
	at := 0
	for _, from := range c.from {
		if err == nil {
			copy(from.call.answers[from.first:from.first+from.count], answers[at:])
		} else if from.call.err == nil || goredis.HasErrorPrefix(err, "NOSCRIPT") {
			from.call.err = err
		}
		at += from.count
	}
}
