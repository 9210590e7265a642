-- Settings and usage of namespaces, whether they exist or not. Usage counts
-- what has no position yet. $1 names, $2 the default retention.
SELECT i.name, coalesce(n.default_ttl, 0), coalesce(n.retention, $2::INT8), coalesce(n.max_keys, 0),
	coalesce(n.max_bytes, 0),
	coalesce(n.keys, 0) + coalesce((SELECT sum(p.entries) FROM trivet.pending AS p WHERE p.ns = i.name), 0)::INT8,
	coalesce(n.bytes, 0) + coalesce((SELECT sum(p.bytes) FROM trivet.pending AS p WHERE p.ns = i.name), 0)::INT8,
	coalesce(n.trimmed, 0)
FROM unnest($1::BYTEA[]) AS i (name)
LEFT JOIN trivet.namespaces AS n ON n.name = i.name
