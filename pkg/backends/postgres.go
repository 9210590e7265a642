package backends

import (
	"context"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
)

// openPostgres opens the database that processes share. What is in files is
// read again for each new connection.
func openPostgres(u config.URL, o *opening) (database, error) {
	options, err := postgresOptions(u, o)
	if err != nil {
		return nil, err
	}
	store, err := postgres.Open(context.Background(), options)
	if err != nil {
		return nil, err
	}
	return store, nil
}

func postgresOptions(u config.URL, o *opening) (postgres.Options, error) {
	if u.Parsed().Host == "" {
		return postgres.Options{}, &urlError{"it names no host; expected postgres://USER:PASSWORD@HOST/NAME"}
	}
	password, err := databasePassword(u, o.settings)
	return postgres.Options{
		URL:        u.Parsed().String(),
		URLFile:    u.File(),
		Password:   password,
		MaxConns:   o.settings.DatabaseConnections,
		Logger:     o.Logger,
		Registerer: o.Registerer,
	}, err
}
