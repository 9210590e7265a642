-- Starts at once migrate one after another.
SELECT version FROM trivet.schema_version WHERE id = 1 FOR UPDATE
