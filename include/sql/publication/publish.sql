-- Publishes versions that passed a validation; the version that was published for the same key is superseded. Grain: a version. May
-- run twice: a version that is published already is left alone, and so is one that was superseded since it was validated or is older
-- than the published one. If a load has replaced the version since, it no longer exists, and the published one stays. Parameters: the
-- key's columns, version_ids and noted columns, pairwise; validation_id. Rows are locked in the order of their keys.
WITH passed AS (
    SELECT {key}, t.version_id{and_noted_of_k}
    FROM unnest({noting_arrays}) AS k({noting})
    JOIN {table} t USING ({key}, version_id)
    WHERE t.state IN ('pending', 'held')
      AND NOT EXISTS (SELECT FROM {table} n WHERE {same_n_t} AND n.version_id > t.version_id AND n.state = 'published')
    ORDER BY {key} FOR UPDATE OF t
), superseded AS (
    UPDATE {table} t SET state = 'superseded', validation_id = %(validation_id)s,
                         shown = t.shown - int8multirange(int8range(%(validation_id)s, NULL))
    FROM passed p WHERE {same_t_p} AND t.state = 'published'
    RETURNING t.version_id
)
UPDATE {table} t SET state = 'published', validation_id = %(validation_id)s,
                     shown = t.shown + int8multirange(int8range(%(validation_id)s, NULL)){and_noted_from_p}
-- counting them makes the update above come first: only one version of a key can be published
FROM passed p, (SELECT count(*) FROM superseded) AS first
WHERE {same_t_p} AND t.version_id = p.version_id
