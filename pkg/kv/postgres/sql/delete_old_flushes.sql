-- Removes claims of flushes that nobody asks for any more. $1 below which id,
-- $2 before which time, $3 how many.
DELETE FROM trivet.flushes
WHERE id IN (SELECT f.id FROM trivet.flushes AS f WHERE f.id < $1::BYTEA AND f.at < $2::INT8 ORDER BY f.id LIMIT $3::INT8)
