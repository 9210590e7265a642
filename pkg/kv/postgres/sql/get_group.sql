-- Several keys as get reads one; the first column is the place of each in the
-- arrays. Values above the limit are left out.
-- $1 namespaces, $2 keys, $3 places, $4 clock, $5 the most bytes of a value.
SELECT i.place, c.now, s.head, coalesce(e.version, 0), coalesce(e.kind, 0), coalesce(e.created, 0), coalesce(e.updated, 0),
	coalesce(e.expires, 0), coalesce(e.size, 0), coalesce(e.content_type, ''), coalesce(e.meta, ''),
	CASE WHEN e.kind = 1 AND e.size <= $5::INT8 THEN coalesce(e.value, (
		SELECT v.value FROM trivet.versions AS v WHERE v.ns = e.ns AND v.key = e.key AND v.version = e.version
	)) END,
	CASE WHEN e.updated > c.now - 10000000
		THEN EXISTS (SELECT 1 FROM trivet.pending AS p WHERE p.ns = e.ns AND e.key = ANY (p.keys))
		ELSE false END
FROM trivet.store AS s
CROSS JOIN (
	SELECT CASE WHEN $4::INT8 > 0 THEN $4::INT8 ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 END AS now
) AS c
CROSS JOIN unnest($1::BYTEA[], $2::BYTEA[], $3::INT8[]) AS i (ns, key, place)
LEFT JOIN trivet.entries AS e ON e.ns = i.ns AND e.key = i.key
WHERE s.id = 1
