SELECT version FROM trivet.schema_version WHERE id = 1
