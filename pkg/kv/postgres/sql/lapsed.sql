-- Entries that have expired, the oldest first. $1 time, $2 how many.
SELECT e.ns, e.key, e.version
FROM trivet.entries AS e
WHERE e.expires > 0 AND e.expires <= $1::INT8
ORDER BY e.expires
LIMIT $2::INT8
