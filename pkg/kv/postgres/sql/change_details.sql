-- What the log shows of versions beside their numbers. $1 namespaces, $2 keys,
-- $3 versions, $4 the largest value that is wanted. A version that is gone gives
-- a row of nulls. An inner join, or one namespace for all, would let a planner
-- that takes the table for small read the whole namespace.
SELECT v.key, v.version, v.size, v.content_type, CASE WHEN v.size <= $4::INT8 THEN v.value END
FROM unnest($1::BYTEA[], $2::BYTEA[], $3::INT8[]) AS i (ns, key, version)
LEFT JOIN trivet.versions AS v ON v.ns = i.ns AND v.key = i.key AND v.version = i.version
