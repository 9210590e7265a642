// Package certs keeps a server's certificate in force: read from files, and
// read again when they change, so that a rotation needs no restart.
package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/trivetkv/trivet/pkg/lifecycle"
)

// reloadInterval is how often the files are looked at. A poll works on every
// file system, also where a mounted secret is a symbolic link that is swapped.
const reloadInterval = 5 * time.Second

// Files name a server's PEM files.
type Files struct {
	Cert     string // certificate chain
	Key      string // private key
	ClientCA string // authorities of client certificates, which are then required; empty: none are asked for
}

// Check refuses a combination that makes no sense.
func (f Files) Check() error {
	if (f.Cert == "") != (f.Key == "") {
		return errors.New("a certificate and its key have to be given together")
	}
	if f.ClientCA != "" && f.Cert == "" {
		return errors.New("client certificates need a server certificate")
	}
	return nil
}

// Enabled tells whether there is a certificate.
func (f Files) Enabled() bool { return f.Cert != "" }

// Reloader serves the certificate that the files hold.
type Reloader struct {
	*lifecycle.Loop

	files   Files
	log     *slog.Logger
	current atomic.Pointer[loaded]
}

type loaded struct {
	config *tls.Config
	probes *tls.Config // without client certificates
	source [3][]byte   // what the files held, to see that they have changed
}

// New reads the files.
func New(files Files, log *slog.Logger) (*Reloader, error) {
	if err := files.Check(); err != nil {
		return nil, err
	}
	r := &Reloader{files: files, log: log}
	r.Loop = lifecycle.NewLoop(r.run)
	_, err := r.Reload()
	return r, err
}

// Config gives a configuration for listeners that always uses what was read
// last: TLS 1.2 or newer, HTTP/2 and HTTP/1.1.
func (r *Reloader) Config() *tls.Config {
	return serving(func() *tls.Config { return r.current.Load().config })
}

// ProbeConfig is [Reloader.Config] without client certificates, for listeners
// on which an orchestrator asks how the process is: its probes have none.
func (r *Reloader) ProbeConfig() *tls.Config {
	return serving(func() *tls.Config { return r.current.Load().probes })
}

func serving(current func() *tls.Config) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return current(), nil },
	}
}

var protocols = []string{"h2", "http/1.1"}

// Reload reads the files again, and tells whether they had changed. Files that
// do not fit together leave the former certificate in force.
func (r *Reloader) Reload() (bool, error) {
	next, err := read(r.files)
	if err != nil {
		return false, err
	}
	before := r.current.Load()
	if before != nil && same(before.source, next.source) {
		return false, nil
	}
	r.current.Store(next)
	return true, nil
}

func (r *Reloader) run(ctx context.Context) {
	ticker := time.NewTicker(reloadInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		changed, err := r.Reload()
		switch {
		case err != nil:
			r.log.Error("the certificate files cannot be used; the former ones stay in force", "error", err)
		case changed:
			r.log.Info("the certificate was read again", "file", r.files.Cert)
		}
	}
}

func read(files Files) (*loaded, error) {
	var source [3][]byte
	for i, name := range []string{files.Cert, files.Key, files.ClientCA} {
		if name == "" {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read a certificate file: %w", err)
		}
		source[i] = raw
	}
	pair, err := tls.X509KeyPair(source[0], source[1])
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", files.Cert, files.Key, err)
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   protocols,
		Certificates: []tls.Certificate{pair},
	}
	probes := config.Clone()
	if files.ClientCA != "" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(source[2]) {
			return nil, fmt.Errorf("client authorities %s: the file holds no PEM certificate", files.ClientCA)
		}
	}
	return &loaded{config: config, probes: probes, source: source}, nil
}

func same(a, b [3][]byte) bool {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
