-- Replaces a namespace's settings. $1 name, $2 default time to live, $3 retention,
-- $4 and $5 quotas of keys and bytes.
INSERT INTO trivet.namespaces (name, default_ttl, retention, max_keys, max_bytes, keys, bytes, trimmed)
VALUES ($1::BYTEA, $2::INT8, $3::INT8, $4::INT8, $5::INT8, 0, 0, 0)
ON CONFLICT (name) DO UPDATE SET
	default_ttl = excluded.default_ttl, retention = excluded.retention, max_keys = excluded.max_keys,
	max_bytes = excluded.max_bytes
