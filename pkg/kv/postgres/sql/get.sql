-- One key, the time, and the head of the change log. The last column tells that
-- the key's version has no position yet; of old versions it is not asked.
-- $1 namespace, $2 key, $3 clock.
SELECT c.now, s.head, coalesce(e.version, 0), coalesce(e.kind, 0), coalesce(e.created, 0), coalesce(e.updated, 0),
	coalesce(e.expires, 0), coalesce(e.size, 0), coalesce(e.content_type, ''), coalesce(e.meta, ''),
	CASE WHEN e.kind = 1 THEN coalesce(e.value, (
		SELECT v.value FROM trivet.versions AS v WHERE v.ns = e.ns AND v.key = e.key AND v.version = e.version
	)) END,
	CASE WHEN e.updated > c.now - 10000000
		THEN EXISTS (SELECT 1 FROM trivet.pending AS p WHERE p.ns = e.ns AND e.key = ANY (p.keys))
		ELSE false END
FROM trivet.store AS s
CROSS JOIN (
	SELECT CASE WHEN $3::INT8 > 0 THEN $3::INT8 ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 END AS now
) AS c
LEFT JOIN trivet.entries AS e ON e.ns = $1::BYTEA AND e.key = $2::BYTEA
WHERE s.id = 1
