-- Reads keys that are locked. $1 namespaces, $2 keys, $3 whether the value is
-- wanted where it lies in the row.
SELECT e.ns, e.key, e.version, e.kind, e.created, e.updated, e.expires, e.size, e.content_type, e.meta,
	CASE WHEN i.wanted THEN e.value END
FROM unnest($1::BYTEA[], $2::BYTEA[], $3::BOOL[]) AS i (ns, key, wanted)
JOIN trivet.entries AS e ON e.ns = i.ns AND e.key = i.key
