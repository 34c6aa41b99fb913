-- Records which validation blocked the interval of pending versions. They stay pending, and no run validates them again by itself.
-- Grain: a version. May run twice. Rows are locked in the order of their keys. Parameters as in hold.sql.
WITH waiting AS (
    SELECT {key}, t.version_id
    FROM unnest({arrays}) AS k({columns})
    JOIN {table} t USING ({key}, version_id)
    WHERE t.state = 'pending'
    ORDER BY {key} FOR UPDATE OF t
)
UPDATE {table} t SET validation_id = %(validation_id)s
FROM waiting p WHERE {same_t_p} AND t.version_id = p.version_id
