package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// measureServers compares the platform on real servers with webdis on the same
// Redis, for what a cache answers, and with etcd, for what has to be durable or
// linearizable.
func measureServers(ctx context.Context, b *run) (rows []row, err error) {
	p, err := startPlatform(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	if err := p.fill(ctx, b.data, b.data.values); err != nil {
		return nil, err
	}
	web, err := startWebdis(ctx, p.Redis, runtime.NumCPU())
	if err != nil {
		return nil, err
	}
	defer func() { _ = web.Close() }()
	if err := web.fill(ctx, b.data); err != nil {
		return nil, err
	}
	if err := p.warm(ctx, b.data); err != nil {
		return nil, err
	}
	ours := &side{name: b.ours.name(), url: p.url, cpu: p.cpu}
	get, put := p.with(b.ours.get(b.data)), p.with(b.ours.put(b.data))
	more, err := b.contests(ctx, ours, &side{name: "webdis", url: web.url, cpu: func() (total time.Duration) {
		for _, pid := range descendants([]int{web.PID(), p.Redis.PID()}) {
			total += processorTime(pid)
		}
		return total
	}}, []contest{
		{name: "GET max-age, 50 connections", connections: 50, ours: p.with(b.ours.get(b.data), "Cache-Control: max-age=60"), peer: web.get(b.data), least: 1, bodies: valueBytes},
		{name: "GET through Redis, 50 connections", connections: 50, ours: get, peer: web.get(b.data), least: 0.7, bodies: valueBytes},
	})
	if err != nil {
		return nil, err
	}
	rows = append(rows, more...)
	if err := web.Close(); err != nil {
		return nil, err
	}

	peer, err := b.startFilled(ctx, b.peer)
	if err != nil {
		return nil, err
	}
	defer func() { _ = peer.stop() }()
	more, err = b.contests(ctx, ours, &side{name: b.peer.name(), url: peer.url, cpu: peer.cpu}, []contest{
		{name: "GET no-cache on PostgreSQL, 50 connections", connections: 50, ours: p.with(b.ours.get(b.data), "Cache-Control: no-cache"), peer: b.peer.get(b.data), least: 2.5, bodies: valueBytes},
		{name: "PUT on PostgreSQL, 50 connections", connections: 50, ours: put, peer: b.peer.put(b.data), least: 2.5},
		{name: "PUT on PostgreSQL, 256 connections", connections: 256, ours: put, peer: b.peer.put(b.data), least: 5},
	})
	return append(rows, more...), err
}

// contests measures closed loops of two sides.
func (b *run) contests(ctx context.Context, ours, peer *side, contests []contest) (rows []row, err error) {
	for _, c := range contests {
		more, err := b.closed(ctx, c, ours, peer)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}
