-- Brings up to date what is noted of published versions beside their state. Grain: a version. May run twice: what is
-- noted already writes nothing. Parameters as those of publish.
UPDATE {table} t SET {noted_from_k}
FROM unnest({noting_arrays}) AS k({noting})
WHERE {same_t_k} AND t.version_id = k.version_id AND t.state = 'published' AND ({noted_of_t}) IS DISTINCT FROM ({noted_of_k})
