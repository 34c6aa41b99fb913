-- Brings up to date what is noted of versions beside their state, whatever was decided on them. Grain: a version. May run twice: what is
-- noted already writes nothing. Parameters as those of publish.
UPDATE {table} t SET {noted_from_k}
FROM unnest({noting_arrays}) AS k({noting})
WHERE {same_t_k} AND t.version_id = k.version_id AND t.state IN ('pending', 'published', 'held') AND ({noted_of_t}) IS DISTINCT FROM ({noted_of_k})
