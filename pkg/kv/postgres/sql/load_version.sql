-- Reads one version of a key. $1 namespace, $2 key, $3 version.
SELECT v.ns, v.key, v.version, v.kind, v.created, v.at, v.expires, v.size, v.content_type, v.meta, v.value
FROM trivet.versions AS v
WHERE v.ns = $1::BYTEA AND v.key = $2::BYTEA AND v.version = $3::INT8
