-- Keeps something that is told once and is not in need of an end. Grain: an incident. May run twice: it is told twice then.
INSERT INTO store.incident (kind, dataset, rule, instruments, level, words, dag_id, run_id, stands, resolved_at, end_told_at)
VALUES ('note', %(dataset)s, %(rule)s, %(instruments)s, %(level)s, %(words)s, %(dag_id)s, %(run_id)s, '{}', now(), now())
RETURNING incident_id
