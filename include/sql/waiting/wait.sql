-- A task's attempt has asked in vain: remembers since when it waits, and what it need not ask for again. Grain: an
-- attempt and what it waits for. May run twice: the beginning stays, the last cause counts.
INSERT INTO store.waiting AS w (attempt, awaited, dag_id, run_id, task_id, map_index, label, cause, finished)
VALUES (%(attempt)s, %(awaited)s, %(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s, %(label)s, %(cause)s, %(finished)s)
ON CONFLICT (attempt, awaited) DO UPDATE SET
    label = excluded.label, cause = excluded.cause, asked_at = now(),
    finished = ARRAY(SELECT DISTINCT unnest(w.finished || excluded.finished) ORDER BY 1)
RETURNING since, now() AS now
