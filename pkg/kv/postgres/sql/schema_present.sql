-- Whether the schema is there, and in it the table of its version.
SELECT
	EXISTS (SELECT 1 FROM information_schema.schemata AS s WHERE s.schema_name = 'trivet'),
	EXISTS (SELECT 1 FROM information_schema.tables AS t WHERE t.table_schema = 'trivet' AND t.table_name = 'schema_version')
