-- The validations that a column of ranges names: what begins and what ends them. A part of a statement. Grain: end of a range. Reads
-- only.
SELECT e.id FROM {table} CROSS JOIN LATERAL unnest({column}) AS r CROSS JOIN LATERAL (VALUES (lower(r)), (upper(r))) AS e(id)
WHERE e.id IS NOT NULL
