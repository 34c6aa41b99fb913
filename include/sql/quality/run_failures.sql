-- The mapped tasks of a run that failed for good. Grain: a task. Reads only.
SELECT task_id, map_index, label, error FROM store.run_failure
WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s ORDER BY task_id, map_index
