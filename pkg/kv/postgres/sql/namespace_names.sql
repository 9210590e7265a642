-- Names of namespaces in their order, without the reserved ones. $1 after which,
-- $2 how many.
SELECT u.name
FROM (
	SELECT n.name FROM trivet.namespaces AS n
	UNION
	SELECT p.ns FROM trivet.pending AS p
) AS u
WHERE u.name > $1::BYTEA AND substring(u.name FROM 1 FOR 1) <> '\x5f'::BYTEA
ORDER BY u.name
LIMIT $2::INT8
