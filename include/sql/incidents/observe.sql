-- Opens an incident, or folds what was seen again into the one that is open. Grain: a fingerprint. May run twice: it
-- counts twice then. Two at once make one: the second waits for the first at the unique index, and folds.
INSERT INTO store.incident AS i (kind, dataset, rule, instruments, level, words, dag_id, run_id, stands)
VALUES (%(kind)s, %(dataset)s, %(rule)s, %(instruments)s, %(level)s, %(words)s, %(dag_id)s, %(run_id)s, %(stands)s)
ON CONFLICT (kind, dataset, rule, instruments) WHERE resolved_at IS NULL DO UPDATE SET
    level = excluded.level, words = excluded.words, dag_id = excluded.dag_id, run_id = excluded.run_id,
    seen_at = now(), times = i.times + 1,
    grown_at = CASE WHEN i.stands @> excluded.stands THEN i.grown_at ELSE now() END,
    stands = ARRAY(SELECT DISTINCT unnest(i.stands || excluded.stands) ORDER BY 1)
RETURNING incident_id
