-- Logs versions. Arrays as those of update_entries; $6 is when they were made.
INSERT INTO trivet.versions (ns, key, version, kind, created, at, expires, size, content_type, meta, value)
SELECT i.ns, i.key, i.version, i.kind, i.created, i.at, i.expires, i.size, i.content_type, i.meta, i.value
FROM unnest(
	$1::BYTEA[], $2::BYTEA[], $3::INT8[], $4::INT2[], $5::INT8[], $6::INT8[], $7::INT8[], $8::INT8[], $9::TEXT[],
	$10::TEXT[], $11::BYTEA[]
) AS i (ns, key, version, kind, created, at, expires, size, content_type, meta, value)
