package backends

import (
	"context"

	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/cache/redis"
	"github.com/trivetkv/trivet/pkg/config"
)

// openRedis opens the cache that processes share. A password in a file is read
// again for each new connection.
func openRedis(u config.URL, o *opening) (shared, error) {
	address, err := redis.ParseURL(u.Parsed())
	if err != nil {
		return shared{}, &urlError{err.Error()}
	}
	// The embedded store has no other process that could raise the epoch.
	epochs, ok := o.database.(epoch.Store)
	if !ok {
		epochs = epoch.NewLocal(nil)
	}
	options := redis.Options{
		Epochs: epochs, Bound: o.settings.CacheBound, Credentials: cacheCredentials(u, o.settings),
		Metrics: o.Registerer, Logger: o.Logger,
	}
	c, err := redis.New(address, options)
	if err != nil {
		return shared{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s := shared{Cache: c, cover: c.Cover, cutOff: c.CutOff, ping: c.Ping, stop: c.Stop}
	if err := c.Start(ctx); err != nil {
		_ = c.Stop(ctx) // the first error says more
		return shared{}, err
	}
	return s, nil
}
