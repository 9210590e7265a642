//go:build unix

// Package installation runs a whole installation on this machine: PostgreSQL,
// Redis and RabbitMQ as package testserver starts them, and the real programs
// on them, each a process of its own that can be killed, paused and started
// again.
package installation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/testserver"
)

// Options say how large the installation is.
type Options struct {
	Bin       string // directory of trivet-api and trivet-consumer
	APIs      int
	Consumers int

	// Listen is the address of the first api; empty takes a free port, as the
	// others do.
	Listen string

	Environ []string // of every program, over what the installation sets
}

// Installation is servers and programs that run.
type Installation struct {
	Postgres *testserver.Postgres
	Redis    *testserver.Redis
	RabbitMQ *testserver.RabbitMQ

	APIs      []*Program
	Consumers []*Program

	dir string // of the files that hold the servers' URLs
}

// Names of the variables by which the programs find their servers, and of the
// files in which the installation keeps them.
const (
	databaseURL = "TRIVET_DATABASE_URL"
	cacheURL    = "TRIVET_CACHE_URL"
	brokerURL   = "TRIVET_BROKER_URL"
)

// Start runs the servers, then the programs, and returns once all are ready.
// Whoever starts it has to call Close.
func Start(ctx context.Context, o Options) (_ *Installation, err error) {
	i := &Installation{}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.Close())
		}
	}()
	if i.dir, err = os.MkdirTemp("", "trivet-installation-"); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	if err := i.startServers(ctx); err != nil {
		return nil, err
	}
	for name, url := range map[string]string{
		databaseURL: i.Postgres.URL("postgres"),
		cacheURL:    i.Redis.URL(),
		brokerURL:   i.RabbitMQ.URL() + "?declare=true",
	} {
		if err := i.SetURL(name, url); err != nil {
			return nil, err
		}
	}
	return i, i.startPrograms(ctx, o)
}

// startServers starts all at once: most of a start is waiting.
func (i *Installation) startServers(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, 3)
	wg.Go(func() { i.Postgres, errs[0] = testserver.StartPostgres(ctx) })
	wg.Go(func() { i.Redis, errs[1] = testserver.StartRedis(ctx) })
	wg.Go(func() { i.RabbitMQ, errs[2] = testserver.StartRabbitMQ(ctx) })
	wg.Wait()
	return errors.Join(errs...)
}

// startPrograms starts the first program before the others: it prepares the
// database and the queues.
func (i *Installation) startPrograms(ctx context.Context, o Options) error {
	for n := range o.APIs {
		listen := ""
		if n == 0 {
			listen = o.Listen
		}
		p, err := i.startProgram(ctx, o, "trivet-api", listen)
		if err != nil {
			return err
		}
		i.APIs = append(i.APIs, p)
	}
	for range o.Consumers {
		p, err := i.startProgram(ctx, o, "trivet-consumer", "")
		if err != nil {
			return err
		}
		i.Consumers = append(i.Consumers, p)
	}
	return nil
}

// SetURL changes the file that the programs read a server's URL from, as a
// rotation of its password does.
func (i *Installation) SetURL(name, url string) error {
	path := i.file(name)
	if err := os.WriteFile(path+".new", []byte(url+"\n"), 0o600); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

func (i *Installation) file(name string) string { return filepath.Join(i.dir, name) }

// Close ends the programs, then the servers.
func (i *Installation) Close() error {
	var errs []error
	for _, p := range append(i.Consumers, i.APIs...) {
		errs = append(errs, p.Close())
	}
	if i.RabbitMQ != nil {
		errs = append(errs, i.RabbitMQ.Close())
	}
	if i.Redis != nil {
		errs = append(errs, i.Redis.Close())
	}
	if i.Postgres != nil {
		errs = append(errs, i.Postgres.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(i.dir))...)
}

// Program is an api or a consumer that runs.
type Program struct {
	*testserver.Server
	Name  string // of the file
	URL   string // of the data API; empty for a consumer
	Admin string // URL of the administration
}

func (i *Installation) startProgram(ctx context.Context, o Options, name, listen string) (*Program, error) {
	if listen == "" {
		port, err := testserver.FreePort()
		if err != nil {
			return nil, err
		}
		listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	port, err := testserver.FreePort()
	if err != nil {
		return nil, err
	}
	admin := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	path, err := filepath.Abs(filepath.Join(o.Bin, name))
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	dir, err := testserver.NewDir(name, nil)
	if err != nil {
		return nil, err
	}
	p := &Program{Name: name, Admin: "http://" + admin}
	environ := []string{"TRIVET_ADMIN_LISTEN=" + admin}
	if name == "trivet-api" {
		p.URL = "http://" + listen
		environ = append(environ, "TRIVET_LISTEN="+listen, "TRIVET_AUTH=off", "TRIVET_DRAIN_DELAY=0s")
	}
	for _, variable := range []string{databaseURL, cacheURL, brokerURL} {
		environ = append(environ, variable+"_FILE="+i.file(variable))
	}
	p.Server, err = testserver.Start(ctx, testserver.Spec{
		Name:  name,
		Path:  path,
		Env:   append(environ, o.Environ...),
		Dir:   dir,
		Ready: p.ready,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// readyTimeout bounds one look at a program.
const readyTimeout = time.Second

func (p *Program) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Admin+"/ready", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", p.Name, err)
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", p.Name, answer.Status)
	}
	return nil
}
