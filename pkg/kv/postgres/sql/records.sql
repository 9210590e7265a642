-- The records of named writes within retention. $1 ids, $2 clock.
SELECT w.id, w.ns, w.hash, w.state, w.at, w.succeeded, w.results
FROM trivet.writes AS w
WHERE w.id = ANY ($1::BYTEA[])
	AND w.at > CASE WHEN $2::INT8 > 0 THEN $2::INT8 ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 END
		- 604800000000
