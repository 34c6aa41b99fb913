-- Holds back versions that broke a rule, published ones included. Returns how many it has held back, and how many of those were
-- published until now.
-- Grain: a version. May run twice. Parameters: the key's columns and version_ids, pairwise; validation_id.
WITH broken AS (
    SELECT {key}, t.version_id, t.state = 'published' AS was_published
    FROM unnest({arrays}) AS k({columns})
    JOIN {table} t USING ({key}, version_id)
    WHERE t.state IN ('pending', 'published')
    ORDER BY {key} FOR UPDATE OF t
), held AS (
    UPDATE {table} t SET state = 'held', validation_id = %(validation_id)s,
                         shown = t.shown - int8multirange(int8range(%(validation_id)s, NULL))
    FROM broken b WHERE {same_t_b} AND t.version_id = b.version_id
)
SELECT count(*) AS held, count(*) FILTER (WHERE was_published) AS taken_back FROM broken
