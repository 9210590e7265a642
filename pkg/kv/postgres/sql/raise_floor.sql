-- Raises the floor to a version, at a time, once the one before has settled.
-- $1 version, $2 time.
UPDATE trivet.store SET floor = greatest(floor, $1::INT8), floor_at = $2::INT8
WHERE id = 1 AND settled = floor
