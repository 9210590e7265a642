UPDATE trivet.schema_version SET version = $1::INT8 WHERE id = 1
