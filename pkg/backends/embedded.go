package backends

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

// opener opens the backend that a URL of its scheme names.
type opener[T any] func(u *url.URL, opts Options) (T, error)

var (
	databases = map[string]opener[database]{
		"pebble": openPebble,
	}
	caches = map[string]opener[cache.Cache]{
		"memory": openMemory,
	}
	brokers = map[string]opener[broker.Broker]{
		"jetstream": openJetStream,
		"none":      func(*url.URL, Options) (broker.Broker, error) { return nil, nil }, //nolint:nilnil // no broker is what was asked for
	}
)

func openPebble(u *url.URL, opts Options) (database, error) {
	dir, err := directory(u)
	if err != nil {
		return nil, err
	}
	store, err := pebble.Open(dir, pebble.Options{Logger: opts.Logger, Registerer: opts.Registerer})
	if err != nil {
		return nil, err
	}
	return store, nil
}

func openJetStream(u *url.URL, opts Options) (broker.Broker, error) {
	dir, err := directory(u)
	if err != nil {
		return nil, err
	}
	queue, err := jetstream.Open(dir, jetstream.Options{Logger: opts.Logger, Registerer: opts.Registerer})
	if err != nil {
		return nil, err
	}
	return queue, nil
}

func openMemory(u *url.URL, opts Options) (cache.Cache, error) {
	if u.Host != "" || u.Path != "" {
		return nil, &urlError{fmt.Sprintf("it names a place; expected %s://?size=64MiB", u.Scheme)}
	}
	if err := parameters(u, "size"); err != nil {
		return nil, err
	}
	var size config.Bytes
	if text := u.Query().Get("size"); text != "" {
		if err := size.UnmarshalText([]byte(text)); err != nil || size == 0 {
			return nil, &urlError{"the size is malformed; expected a size such as 64MiB"}
		}
	}
	c, err := memory.New(memory.Options{MaxBytes: int64(size), Metrics: opts.Registerer})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// directory gives the directory that SCHEME:///DIRECTORY names.
func directory(u *url.URL) (string, error) {
	if u.Host != "" || u.Opaque != "" || !filepath.IsAbs(u.Path) || filepath.Clean(u.Path) == "/" {
		return "", &urlError{fmt.Sprintf("it names no directory; expected %s:///DIRECTORY, an absolute path", u.Scheme)}
	}
	return filepath.Clean(u.Path), parameters(u)
}

// parameters refuses parameters that the backend does not have.
func parameters(u *url.URL, known ...string) error {
	for name := range u.Query() {
		if !slices.Contains(known, name) {
			return &urlError{fmt.Sprintf("unknown parameter %q", name)}
		}
	}
	return nil
}
