-- Settings of the server that decide whether it can be used, and how.
SELECT name, setting FROM pg_catalog.pg_settings
WHERE name IN ('fsync', 'synchronous_commit', 'max_connections', 'superuser_reserved_connections')
