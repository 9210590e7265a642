package backends

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

func openPebble(u config.URL, o *opening) (database, error) {
	dir, err := directory(u.Parsed())
	if err != nil {
		return nil, err
	}
	store, err := pebble.Open(dir, pebble.Options{Logger: o.Logger, Registerer: o.Registerer})
	if err != nil {
		return nil, err
	}
	return store, nil
}

func openJetStream(u config.URL, o *opening) (broker.Broker, error) {
	dir, err := directory(u.Parsed())
	if err != nil {
		return nil, err
	}
	queue, err := jetstream.Open(dir, jetstream.Options{Logger: o.Logger, Registerer: o.Registerer})
	if err != nil {
		return nil, err
	}
	return queue, nil
}

// openMemory opens a cache within this process, which is right only where the
// process has the database to itself.
func openMemory(given config.URL, o *opening) (shared, error) {
	u := given.Parsed()
	if o.isShared() {
		return shared{}, &urlError{fmt.Sprintf("%s:// is within one process, and others write to the database too; expected redis://HOST, or none", u.Scheme)}
	}
	if u.Host != "" || u.Path != "" {
		return shared{}, &urlError{fmt.Sprintf("it names a place; expected %s://?size=64MiB", u.Scheme)}
	}
	if err := parameters(u, "size"); err != nil {
		return shared{}, err
	}
	var size config.Bytes
	if text := u.Query().Get("size"); text != "" {
		if err := size.UnmarshalText([]byte(text)); err != nil || size == 0 {
			return shared{}, &urlError{"the size is malformed; expected a size such as 64MiB"}
		}
	}
	c, err := memory.New(memory.Options{MaxBytes: int64(size), Metrics: o.Registerer})
	if err != nil {
		return shared{}, err
	}
	return shared{Cache: c}, nil
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
