-- The intervals that a run has validated, oldest first. Grain: interval. Reads only. Parameters: dataset, dag_id, run_id.
SELECT DISTINCT interval_from AS begins, interval_to AS ends FROM store.validation
WHERE dataset = %(dataset)s AND dag_id = %(dag_id)s AND run_id = %(run_id)s ORDER BY 1, 2
