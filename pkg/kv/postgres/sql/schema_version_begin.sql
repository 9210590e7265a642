INSERT INTO trivet.schema_version (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING
