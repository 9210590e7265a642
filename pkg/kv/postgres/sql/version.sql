-- One version of a key, the time, and the head. $1 namespace, $2 key,
-- $3 version, $4 clock.
SELECT CASE WHEN $4::INT8 > 0 THEN $4::INT8 ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 END,
	s.head, v.version, v.kind, v.created, v.at, v.expires, v.size, v.content_type, v.meta, v.value
FROM trivet.versions AS v CROSS JOIN trivet.store AS s
WHERE v.ns = $1::BYTEA AND v.key = $2::BYTEA AND v.version = $3::INT8 AND s.id = 1
