-- Lets removal go up to the floor, which every statement under way has seen: it
-- was raised before $1. $2 time: a clock that has stepped back begins anew.
UPDATE trivet.store SET
	settled = CASE WHEN floor_at <= $1::INT8 THEN floor ELSE settled END,
	floor_at = CASE WHEN floor_at > $2::INT8 THEN $2::INT8 ELSE floor_at END
WHERE id = 1
RETURNING floor, settled
