-- Gives up claims of writes that were refused. $1 ids.
DELETE FROM trivet.writes AS w WHERE w.id = ANY ($1::BYTEA[])
