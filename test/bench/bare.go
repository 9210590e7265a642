package main

import (
	"context"
	"fmt"

	"github.com/trivetkv/trivet/pkg/backends"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/services/api/server"
)

// serveBare serves the embedded store in a directory with neither
// authentication nor rates nor metrics, until it is told to end: what the guarded
// server is measured against. What no option turns off, the bounds of
// requests in flight and the counters themselves, is in both.
func serveBare(ctx context.Context, dir string) error {
	var cfg config.Backends
	if err := config.Load([]string{"TRIVET_DATABASE_URL=pebble://" + dir}, &cfg); err != nil {
		return err
	}
	opened, err := backends.Open(cfg, backends.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	s, err := server.New(server.Options{Listen: "127.0.0.1:0", Store: opened.Store})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", s.Addr())
	<-ctx.Done()
	return s.Stop(context.WithoutCancel(ctx))
}
