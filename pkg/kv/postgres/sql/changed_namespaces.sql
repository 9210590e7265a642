-- Which of some namespaces have changes behind a position, and the last position
-- of each. $1 namespaces, $2 positions.
SELECT l.ns, l.last
FROM (
	SELECT i.ns, i.after, (SELECT c.last FROM trivet.changes AS c WHERE c.ns = i.ns ORDER BY c.last DESC LIMIT 1) AS last
	FROM unnest($1::BYTEA[], $2::INT8[]) AS i (ns, after)
) AS l
WHERE l.last > l.after
