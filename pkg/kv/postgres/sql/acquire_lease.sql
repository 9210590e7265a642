-- Takes or renews a lease. $1 name, $2 holder, $3 how long. No row: another
-- holds it.
INSERT INTO trivet.leases AS l (name, holder, expires)
VALUES ($1::TEXT, $2::BYTEA, (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 + $3::INT8)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
WHERE l.holder = excluded.holder OR l.expires <= (extract(epoch FROM clock_timestamp()) * 1000000)::INT8
RETURNING name
