-- Claims a flush. $1 its id, $2 clock. No row: it has been committed before.
INSERT INTO trivet.flushes (id, at)
VALUES ($1::BYTEA, CASE WHEN $2::INT8 > 0 THEN $2::INT8 ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 END)
ON CONFLICT (id) DO NOTHING
RETURNING id
