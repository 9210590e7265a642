-- The head of the change log, and for how long the oldest change has been
-- without a position: -1 when there is none.
SELECT s.head, coalesce((
	SELECT greatest((extract(epoch FROM clock_timestamp()) * 1000000)::INT8 - p.at, 0)
	FROM trivet.pending AS p ORDER BY p.seq LIMIT 1
), -1)
FROM trivet.store AS s
WHERE s.id = 1
