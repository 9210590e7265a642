//go:build unix

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/testserver"
	"github.com/trivetkv/trivet/test/installation"
)

// part is a part of the installation that faults happen to.
type part struct {
	name   string
	server *testserver.Server
	cache  bool // it is the cache
	reader bool // of the cache

	// spared are what goes on while the part is away.
	sparedWrites, sparedAsync, sparedReads bool
}

func parts(i *installation.Installation) []part {
	all := []part{
		{name: "PostgreSQL", server: i.Postgres.Server},
		{name: "Redis", server: i.Redis.Server, cache: true, sparedWrites: true, sparedAsync: true, sparedReads: true},
		{name: "RabbitMQ", server: i.RabbitMQ.Server, sparedWrites: true, sparedReads: true},
	}
	for n, p := range i.APIs {
		all = append(all, part{name: fmt.Sprint("api ", n+1), server: p.Server, reader: true, sparedWrites: true, sparedAsync: true, sparedReads: true})
	}
	for n, p := range i.Consumers {
		all = append(all, part{name: fmt.Sprint("consumer ", n+1), server: p.Server, reader: true, sparedWrites: true, sparedAsync: true, sparedReads: true})
	}
	return all
}

// kind is what happens to a part.
type kind string

const (
	killed kind = "killed"
	paused kind = "paused"
)

// partsFromCache tells whether a fault leaves a process that has not reached the
// cache for a while: it raises the epoch then, and the others learn of it within
// the bound.
func (p part) partsFromCache(k kind) bool { return p.cache || p.reader && k == paused }

// strike takes a part away for a time and gives it back. It returns when the
// part serves again.
func (p part) strike(ctx context.Context, k kind, away time.Duration) error {
	if k == killed {
		p.server.Kill()
	} else if err := p.server.Pause(); err != nil {
		return err
	}
	pause(ctx, away)
	if k == paused {
		p.server.Resume()
		return nil
	}
	if err := p.server.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%s does not start again: %w", p.name, err)
	}
	return nil
}
