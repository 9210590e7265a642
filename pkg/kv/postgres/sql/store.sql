-- The store's state and the time. $1 clock.
SELECT CASE WHEN $1::INT8 > 0 THEN $1::INT8 ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::INT8 END,
	s.head, s.floor, s.settled, s.floor_at
FROM trivet.store AS s
WHERE s.id = 1
