-- Raises the cache epoch by one. $1 from which, $2 for which state of the cache.
UPDATE trivet.cache_epoch
SET number = number + 1, primary_name = $2::TEXT, raised = (extract(epoch FROM clock_timestamp()) * 1000000)::INT8
WHERE id = 1 AND number = $1::INT8
