-- Notes up to which position a namespace's changes are gone, and removes the
-- rows that hold nothing behind it. $1 namespace, $2 position.
WITH noted AS (
	UPDATE trivet.namespaces SET trimmed = greatest(trimmed, $2::INT8) WHERE name = $1::BYTEA RETURNING name
)
DELETE FROM trivet.changes AS c USING noted AS n WHERE c.ns = n.name AND c.last <= $2::INT8
