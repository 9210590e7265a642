-- Holds the planner to one plan for each statement, through its indexes: it
-- knows nothing of arrays that are arguments, and where there are no statistics
-- yet it would rather read whole tables. Settings that a server has not are left
-- out.
SELECT set_config(s.name, v.value, false)
FROM (VALUES
	('plan_cache_mode', 'force_generic_plan'),
	('enable_hashjoin', 'off'),
	('enable_mergejoin', 'off'),
	('enable_seqscan', 'off'),
	('jit', 'off')
) AS v (name, value)
JOIN pg_catalog.pg_settings AS s ON s.name = v.name
