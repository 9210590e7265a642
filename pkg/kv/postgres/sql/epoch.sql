-- The cache epoch, its age, and how many other processes said within a time that
-- they reach the cache. $1 the process, $2 the time.
SELECT e.number, e.primary_name, greatest((extract(epoch FROM clock_timestamp()) * 1000000)::INT8 - e.raised, 0), (
	SELECT count(*) FROM trivet.processes AS p
	WHERE p.reaches AND p.name <> $1::TEXT
		AND p.seen > (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 - $2::INT8
)::INT8
FROM trivet.cache_epoch AS e
WHERE e.id = 1
