-- Removes records past retention. $1 before which time, $2 how many.
DELETE FROM trivet.writes WHERE id IN (SELECT w.id FROM trivet.writes AS w WHERE w.at <= $1::INT8 ORDER BY w.at LIMIT $2::INT8)
