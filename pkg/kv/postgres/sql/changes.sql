-- Rows of a namespace's change log. $1 namespace, $2 behind which position,
-- $3 how many.
SELECT c.last, c.at, c.keys, c.versions, c.previous, c.kinds
FROM trivet.changes AS c
WHERE c.ns = $1::BYTEA AND c.last > $2::INT8
ORDER BY c.last
LIMIT $3::INT8
