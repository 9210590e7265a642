-- Removes keys that still are as a deletion left them, and the version of it.
-- $1 namespace, $2 keys, $3 versions.
WITH gone AS (
	DELETE FROM trivet.entries AS e
	USING unnest($2::BYTEA[], $3::INT8[]) AS i (key, version)
	WHERE e.ns = $1::BYTEA AND e.key = i.key AND e.version = i.version AND e.kind <> 1
	RETURNING e.key, e.version
)
DELETE FROM trivet.versions AS v
USING gone AS g
WHERE v.ns = $1::BYTEA AND v.key = g.key AND v.version = g.version
