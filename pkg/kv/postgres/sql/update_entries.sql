-- Writes the new states of keys that are locked. Arrays: $1 namespaces, $2 keys,
-- $3 versions, $4 kinds, $5 created, $6 updated, $7 expires, $8 sizes, $9 content
-- types, $10 metadata, $11 values.
UPDATE trivet.entries AS e SET
	version = i.version, kind = i.kind, created = i.created, updated = i.updated, expires = i.expires, size = i.size,
	content_type = i.content_type, meta = i.meta, value = i.value
FROM unnest(
	$1::BYTEA[], $2::BYTEA[], $3::INT8[], $4::INT2[], $5::INT8[], $6::INT8[], $7::INT8[], $8::INT8[], $9::TEXT[],
	$10::TEXT[], $11::BYTEA[]
) AS i (ns, key, version, kind, created, updated, expires, size, content_type, meta, value)
WHERE e.ns = i.ns AND e.key = i.key
