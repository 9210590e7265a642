-- Rows of keys in their order, without values. $1 namespace, $2 first key,
-- $3 end, exclusive, $4 how many.
SELECT e.key, e.version, e.kind, e.created, e.updated, e.expires, e.size, e.content_type, e.meta
FROM trivet.entries AS e
WHERE e.ns = $1::BYTEA AND e.key >= $2::BYTEA AND e.key < $3::BYTEA
ORDER BY e.key
LIMIT $4::INT8
