-- Records the outcome of named writes that are claimed. $1 ids, $2 namespaces,
-- $3 hashes, $4 states, $5 time, $6 succeeded, $7 results.
UPDATE trivet.writes AS w SET
	ns = i.ns, hash = i.hash, state = i.state, at = $5::INT8, succeeded = i.succeeded, results = i.results
FROM unnest($1::BYTEA[], $2::BYTEA[], $3::BYTEA[], $4::INT2[], $6::BOOL[], $7::BYTEA[])
	AS i (id, ns, hash, state, succeeded, results)
WHERE w.id = i.id
