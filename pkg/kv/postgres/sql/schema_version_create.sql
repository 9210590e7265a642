CREATE TABLE IF NOT EXISTS trivet.schema_version (
	id      INT2 PRIMARY KEY CHECK (id = 1),
	version INT8 NOT NULL
)
