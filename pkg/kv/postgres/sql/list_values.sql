-- The values of keys. $1 namespaces, $2 keys. The join is as in change_details.
SELECT i.key, coalesce(e.value, (
	SELECT v.value FROM trivet.versions AS v WHERE v.ns = e.ns AND v.key = e.key AND v.version = e.version
))
FROM unnest($1::BYTEA[], $2::BYTEA[]) AS i (ns, key)
LEFT JOIN trivet.entries AS e ON e.ns = i.ns AND e.key = i.key
