-- Reads former versions of keys. $1 namespaces, $2 keys, $3 versions.
SELECT v.ns, v.key, v.version, v.kind, v.created, v.at, v.expires, v.size, v.content_type, v.meta, v.value
FROM unnest($1::BYTEA[], $2::BYTEA[], $3::INT8[]) AS i (ns, key, version)
JOIN trivet.versions AS v ON v.ns = i.ns AND v.key = i.key AND v.version = i.version
