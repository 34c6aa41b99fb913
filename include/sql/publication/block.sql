-- Says of pending versions which validation blocked the interval they lie in: they stay pending, and nothing takes them up
-- again by itself. Grain: a version. May run twice. Parameters as those of hold.
UPDATE {table} t SET validation_id = %(validation_id)s
FROM unnest({arrays}) AS k({columns})
WHERE {same_t_k} AND t.version_id = k.version_id AND t.state = 'pending'
