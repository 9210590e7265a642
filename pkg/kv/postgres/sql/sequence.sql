-- Gives positions to what is pending, in the order of its numbers. $1 how many
-- commits at most, $2 the default retention.
WITH taken AS (
	DELETE FROM trivet.pending
	WHERE seq IN (SELECT p.seq FROM trivet.pending AS p ORDER BY p.seq LIMIT $1::INT8)
	RETURNING seq, flush, ns, at, keys, versions, previous, kinds, entries, bytes
), placed AS (
	INSERT INTO trivet.changes (ns, last, flush, at, keys, versions, previous, kinds)
	SELECT t.ns, (s.head + sum(cardinality(t.keys)) OVER (ORDER BY t.seq))::INT8, t.flush, t.at, t.keys, t.versions,
		t.previous, t.kinds
	FROM taken AS t CROSS JOIN trivet.store AS s
	WHERE s.id = 1
), counted AS (
	INSERT INTO trivet.namespaces AS n (name, default_ttl, retention, max_keys, max_bytes, keys, bytes, trimmed)
	SELECT t.ns, 0, $2::INT8, 0, 0, sum(t.entries)::INT8, sum(t.bytes)::INT8, 0
	FROM taken AS t
	GROUP BY t.ns
	ORDER BY t.ns
	ON CONFLICT (name) DO UPDATE SET keys = n.keys + excluded.keys, bytes = n.bytes + excluded.bytes
)
UPDATE trivet.store AS s
SET head = s.head + (SELECT coalesce(sum(cardinality(t.keys)), 0) FROM taken AS t)::INT8
WHERE s.id = 1
RETURNING s.head, (SELECT count(*) FROM taken)::INT8
