package backends

import (
	"context"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
)

// openPostgres opens the database that processes share. A URL in a file is read
// again for each new connection.
func openPostgres(u config.URL, o *opening) (database, error) {
	if u.Parsed().Host == "" {
		return nil, &urlError{"it names no host; expected postgres://USER:PASSWORD@HOST/NAME"}
	}
	store, err := postgres.Open(context.Background(), postgres.Options{
		URL:        u.Parsed().String(),
		URLFile:    u.File(),
		MaxConns:   o.settings.DatabaseConnections,
		Logger:     o.Logger,
		Registerer: o.Registerer,
	})
	if err != nil {
		return nil, err
	}
	return store, nil
}
