-- Removes versions. $1 namespaces, $2 keys, $3 versions.
DELETE FROM trivet.versions AS v
USING unnest($1::BYTEA[], $2::BYTEA[], $3::INT8[]) AS i (ns, key, version)
WHERE v.ns = i.ns AND v.key = i.key AND v.version = i.version
