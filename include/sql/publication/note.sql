-- Updates the noted columns of versions (Table.noted), whatever was decided on them. Grain: a version. May run twice: an equal note
-- writes nothing. Rows are locked in the order of their keys. Parameters as in publish.sql.
WITH noted AS (
    SELECT {key}, t.version_id{and_noted_of_k}
    FROM unnest({noting_arrays}) AS k({noting})
    JOIN {table} t USING ({key}, version_id)
    WHERE t.state IN ('pending', 'published', 'held') AND ({noted_of_t}) IS DISTINCT FROM ({noted_of_k})
    ORDER BY {key} FOR UPDATE OF t
)
UPDATE {table} t SET {noted_from_p}
FROM noted p WHERE {same_t_p} AND t.version_id = p.version_id
