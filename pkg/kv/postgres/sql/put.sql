-- One batch of unconditional puts, each key once and in the order of the keys.
-- $1 id of the flush, $2 clock, then arrays: $3 namespaces, $4 keys, $5 values,
-- $6 content types, $7 metadata, $8 times to live (0: none).
-- A flush that was claimed before gives no rows.
WITH claim AS (
	INSERT INTO trivet.flushes (id, at)
	VALUES ($1::BYTEA, CASE WHEN $2::INT8 > 0 THEN $2::INT8 ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 END)
	ON CONFLICT (id) DO NOTHING
	RETURNING at
), base AS (
	SELECT claim.at AS now, greatest(store.floor + 1, claim.at) AS version, store.head
	FROM claim CROSS JOIN trivet.store
	WHERE store.id = 1
), written AS (
	INSERT INTO trivet.entries AS e (
		ns, key, version, kind, created, updated, expires, size, content_type, meta, value, previous, found, found_size
	)
	SELECT i.ns, i.key, b.version, 1, b.now, b.now, CASE WHEN i.ttl > 0 THEN b.now + i.ttl ELSE 0 END,
		octet_length(i.value), i.content_type, i.meta, i.value, 0, 0, 0
	FROM base AS b
	CROSS JOIN unnest($3::BYTEA[], $4::BYTEA[], $5::BYTEA[], $6::TEXT[], $7::TEXT[], $8::INT8[])
		WITH ORDINALITY AS i (ns, key, value, content_type, meta, ttl, n)
	ORDER BY i.n
	ON CONFLICT (ns, key) DO UPDATE SET
		-- Over an entry that has expired, the version below is that of its expiry.
		version = greatest(e.version + 1, excluded.version)
			+ CASE WHEN e.kind = 1 AND e.expires > 0 AND e.expires <= excluded.updated THEN 1 ELSE 0 END,
		kind = 1,
		created = CASE
			WHEN e.kind = 1 AND (e.expires = 0 OR e.expires > excluded.updated) THEN e.created
			ELSE excluded.created END,
		updated = excluded.updated,
		expires = excluded.expires,
		size = excluded.size,
		content_type = excluded.content_type,
		meta = excluded.meta,
		value = excluded.value,
		previous = e.version,
		found = CASE WHEN e.kind <> 1 THEN 2 WHEN e.expires > 0 AND e.expires <= excluded.updated THEN 3 ELSE 1 END,
		found_size = e.size
	RETURNING e.ns, e.key, e.version, e.created, e.updated, e.expires, e.size, e.content_type, e.meta, e.value,
		e.previous, e.found, e.found_size
), logged AS (
	INSERT INTO trivet.versions (ns, key, version, kind, at, created, expires, size, content_type, meta, value)
	SELECT ns, key, version, 1, updated, created, expires, size, content_type, meta, value FROM written
	UNION ALL
	SELECT ns, key, version - 1, 3, updated, updated, 0, 0, '', '', NULL FROM written WHERE found = 3
), changed AS (
	SELECT ns, key, version, CASE WHEN found = 3 THEN version - 1 ELSE previous END AS previous, 1 AS kind,
		CASE WHEN found IN (1, 3) THEN 0 ELSE 1 END AS entries,
		CASE WHEN found IN (1, 3) THEN size - found_size ELSE octet_length(key) + size END AS bytes
	FROM written
	UNION ALL
	SELECT ns, key, version - 1, previous, 3, 0, 0 FROM written WHERE found = 3
), queued AS (
	-- The aggregate ends when every row is locked; only then the number is taken.
	INSERT INTO trivet.pending (seq, flush, ns, at, keys, versions, previous, kinds, entries, bytes)
	SELECT nextval('trivet.commits'), $1::BYTEA, c.ns, (SELECT now FROM base), array_agg(c.key ORDER BY c.version),
		array_agg(c.version ORDER BY c.version), array_agg(c.previous ORDER BY c.version),
		array_agg(c.kind::INT2 ORDER BY c.version), sum(c.entries)::INT8, sum(c.bytes)::INT8
	FROM changed AS c
	GROUP BY c.ns
)
SELECT w.ns, w.key, w.version, w.created, w.updated, w.found, b.head
FROM written AS w CROSS JOIN base AS b
