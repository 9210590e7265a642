-- What the log shows of versions beside their numbers. $1 namespace, $2 keys,
-- $3 versions, $4 the largest value that is wanted.
SELECT v.key, v.version, v.size, v.content_type, CASE WHEN v.size <= $4::INT8 THEN v.value END
FROM unnest($2::BYTEA[], $3::INT8[]) AS i (key, version)
JOIN trivet.versions AS v ON v.ns = $1::BYTEA AND v.key = i.key AND v.version = i.version
