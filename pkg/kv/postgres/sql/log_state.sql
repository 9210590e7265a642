-- The head of the change log, and how far a namespace's has been removed.
-- $1 namespace.
SELECT s.head, coalesce((SELECT n.trimmed FROM trivet.namespaces AS n WHERE n.name = $1::BYTEA), 0)
FROM trivet.store AS s
WHERE s.id = 1
