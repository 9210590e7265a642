-- What a flush wrote whose answer was lost. $1 id of the flush.
SELECT ns, at, keys, versions, previous, kinds FROM trivet.pending WHERE flush = $1::BYTEA
UNION ALL
SELECT ns, at, keys, versions, previous, kinds FROM trivet.changes WHERE flush = $1::BYTEA
