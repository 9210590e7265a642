-- Namespaces whose oldest change is past their retention. $1 time, $2 how many.
SELECT n.name, n.retention, n.trimmed
FROM trivet.namespaces AS n
WHERE (SELECT c.at FROM trivet.changes AS c WHERE c.ns = n.name ORDER BY c.last LIMIT 1) <= $1::INT8 - n.retention
ORDER BY n.name
LIMIT $2::INT8
