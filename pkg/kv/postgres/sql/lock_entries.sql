-- Locks keys in their order. One that has no row gets one of kind 0, which is
-- gone again when the transaction ends. $1 namespaces, $2 keys.
INSERT INTO trivet.entries AS e (
	ns, key, version, kind, created, updated, expires, size, content_type, meta, previous, found, found_size
)
SELECT i.ns, i.key, 0, 0, 0, 0, 0, 0, '', '', 0, 0, 0
FROM unnest($1::BYTEA[], $2::BYTEA[]) WITH ORDINALITY AS i (ns, key, n)
ORDER BY i.n
ON CONFLICT (ns, key) DO UPDATE SET version = e.version WHERE false
