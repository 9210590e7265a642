-- Settings of namespaces. $1 names, $2 the default retention. The usage is not
-- counted.
SELECT i.name, coalesce(n.default_ttl, 0), coalesce(n.retention, $2::INT8), coalesce(n.max_keys, 0),
	coalesce(n.max_bytes, 0), 0::INT8, 0::INT8, coalesce(n.trimmed, 0)
FROM unnest($1::BYTEA[]) AS i (name)
LEFT JOIN trivet.namespaces AS n ON n.name = i.name
