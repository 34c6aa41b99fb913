-- Records that a validation left pending versions waiting for the data they are compared with. This distinguishes them from versions
-- that the run which loaded them has not validated yet. Grain: a version. May run twice. Rows are locked in the order of their keys.
-- Parameters as in hold.sql.
WITH waiting AS (
    SELECT {key}, t.version_id
    FROM unnest({arrays}) AS k({columns})
    JOIN {table} t USING ({key}, version_id)
    WHERE t.state = 'pending' AND t.reference IS DISTINCT FROM 'awaited'
    ORDER BY {key} FOR UPDATE OF t
)
UPDATE {table} t SET reference = 'awaited'
FROM waiting p WHERE {same_t_p} AND t.version_id = p.version_id
