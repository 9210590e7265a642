-- What a flush of puts wrote whose answer was lost, in the form in which put
-- answers. $1 id of the flush.
SELECT f.ns, c.key, c.version, coalesce(v.created, f.at), f.at,
	CASE WHEN coalesce(v.created, f.at) = f.at THEN 0 ELSE 1 END, 0::INT8
FROM (
	SELECT ns, at, keys, versions, kinds FROM trivet.pending WHERE flush = $1::BYTEA
	UNION ALL
	SELECT ns, at, keys, versions, kinds FROM trivet.changes WHERE flush = $1::BYTEA
) AS f
CROSS JOIN LATERAL unnest(f.keys, f.versions, f.kinds) AS c (key, version, kind)
LEFT JOIN trivet.versions AS v ON v.ns = f.ns AND v.key = c.key AND v.version = c.version
WHERE c.kind = 1
