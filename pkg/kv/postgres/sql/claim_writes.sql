-- Claims named writes, in the order of their ids. Those that have a record
-- already are locked, and give no row. $1 ids, $2 namespaces, $3 hashes, $4 clock.
INSERT INTO trivet.writes AS w (id, ns, hash, state, at, succeeded)
SELECT i.id, i.ns, i.hash, 0,
	CASE WHEN $4::INT8 > 0 THEN $4::INT8 ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 END, false
FROM unnest($1::BYTEA[], $2::BYTEA[], $3::BYTEA[]) WITH ORDINALITY AS i (id, ns, hash, n)
ORDER BY i.n
ON CONFLICT (id) DO UPDATE SET state = w.state WHERE false
RETURNING id
