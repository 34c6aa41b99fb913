-- Says of pending versions which validation blocked the interval they lie in: they stay pending, and nothing takes them up
-- again by itself. Grain: a version. May run twice. Rows are locked in the order of their keys. Parameters as those of hold.
WITH waiting AS (
    SELECT {key}, t.version_id
    FROM unnest({arrays}) AS k({columns})
    JOIN {table} t USING ({key}, version_id)
    WHERE t.state = 'pending'
    ORDER BY {key} FOR UPDATE OF t
)
UPDATE {table} t SET validation_id = %(validation_id)s
FROM waiting p WHERE {same_t_p} AND t.version_id = p.version_id
