-- Versions of a key, the newest first. $1 namespace, $2 key, $3 below which
-- version, $4 how many.
SELECT v.version, v.kind, v.at, v.size, v.content_type
FROM trivet.versions AS v
WHERE v.ns = $1::BYTEA AND v.key = $2::BYTEA AND v.version < $3::INT8
ORDER BY v.version DESC
LIMIT $4::INT8
