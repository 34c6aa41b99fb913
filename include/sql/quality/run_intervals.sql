-- The intervals that a run has validated of each dataset, oldest first. Grain: dataset, interval. Reads only. Parameters: dag_id, run_id.
SELECT DISTINCT dataset, interval_from AS begins, interval_to AS ends FROM store.validation
WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s ORDER BY 2, 3, 1
