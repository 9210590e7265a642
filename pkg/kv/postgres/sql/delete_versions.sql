-- Removes versions. $1 namespace, $2 keys, $3 versions.
DELETE FROM trivet.versions AS v
USING unnest($2::BYTEA[], $3::INT8[]) AS i (key, version)
WHERE v.ns = $1::BYTEA AND v.key = i.key AND v.version = i.version
