-- Notes whether a process reaches the cache, and forgets those that have said
-- nothing for a minute. $1 the process, $2 whether it does.
WITH forgotten AS (
	DELETE FROM trivet.processes
	WHERE seen < (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 - 60000000 AND name <> $1::TEXT
)
INSERT INTO trivet.processes (name, reaches, seen)
VALUES ($1::TEXT, $2::BOOL, (extract(epoch FROM clock_timestamp()) * 1000000)::INT8)
ON CONFLICT (name) DO UPDATE SET reaches = excluded.reaches, seen = excluded.seen
