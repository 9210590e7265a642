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
	ours := &side{name: b.ours.name(), url: p.url, cpu: p.cpu}
	get, put := p.with(b.ours.get(b.data)), p.with(b.ours.put(b.data))
	more, err := b.contests(ctx, ours, &side{name: "webdis", url: web.url, cpu: func() (total time.Duration) {
		for _, pid := range descendants([]int{web.PID(), p.Redis.PID()}) {
			total += processorTime(pid)
		}
		return total
	}}, []contest{
		{"GET max-age, 50 connections", 50, p.with(b.ours.get(b.data), "Cache-Control: max-age=60"), web.get(b.data), 1, valueBytes, false},
		{"GET through Redis, 50 connections", 50, get, web.get(b.data), 0.7, valueBytes, false},
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
		{"GET no-cache on PostgreSQL, 50 connections", 50, p.with(b.ours.get(b.data), "Cache-Control: no-cache"), b.peer.get(b.data), 2.5, valueBytes, false},
		{"PUT on PostgreSQL, 50 connections", 50, put, b.peer.put(b.data), 2.5, 0, false},
		{"PUT on PostgreSQL, 256 connections", 256, put, b.peer.put(b.data), 5, 0, false},
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
