-- Says of pending versions that a validation has left them waiting for what they are compared with: so they are told from
-- those that the run which loaded them has yet to look at. Grain: a version. May run twice. Rows are locked in the order of
-- their keys. Parameters as those of hold.
WITH waiting AS (
    SELECT {key}, t.version_id
    FROM unnest({arrays}) AS k({columns})
    JOIN {table} t USING ({key}, version_id)
    WHERE t.state = 'pending' AND t.reference IS DISTINCT FROM 'awaited'
    ORDER BY {key} FOR UPDATE OF t
)
UPDATE {table} t SET reference = 'awaited'
FROM waiting p WHERE {same_t_p} AND t.version_id = p.version_id
