-- Removes the rows that lock_entries made for keys which stay absent. $1
-- namespaces, $2 keys.
DELETE FROM trivet.entries AS e
USING unnest($1::BYTEA[], $2::BYTEA[]) AS i (ns, key)
WHERE e.ns = i.ns AND e.key = i.key AND e.kind = 0
