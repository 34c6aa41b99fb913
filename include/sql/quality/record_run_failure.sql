-- What a task that failed for good said. Grain: a task of a run. May run twice: the last word counts.
INSERT INTO store.run_failure AS f (dag_id, run_id, task_id, map_index, label, error)
VALUES (%(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s, %(label)s, %(error)s)
ON CONFLICT (dag_id, run_id, task_id, map_index) DO UPDATE SET label = excluded.label, error = excluded.error, failed_at = now()
