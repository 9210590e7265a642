-- Removes keys that still are as a deletion left them, and the version of it.
-- $1 namespaces, $2 keys, $3 versions.
WITH gone AS (
	DELETE FROM trivet.entries AS e
	USING unnest($1::BYTEA[], $2::BYTEA[], $3::INT8[]) AS i (ns, key, version)
	WHERE e.ns = i.ns AND e.key = i.key AND e.version = i.version AND e.kind <> 1
	RETURNING e.ns, e.key, e.version
)
DELETE FROM trivet.versions AS v
USING gone AS g
WHERE v.ns = g.ns AND v.key = g.key AND v.version = g.version
