-- The values of keys. $1 namespace, $2 keys.
SELECT e.key, coalesce(e.value, (
	SELECT v.value FROM trivet.versions AS v WHERE v.ns = e.ns AND v.key = e.key AND v.version = e.version
))
FROM unnest($2::BYTEA[]) AS i (key)
JOIN trivet.entries AS e ON e.ns = $1::BYTEA AND e.key = i.key
