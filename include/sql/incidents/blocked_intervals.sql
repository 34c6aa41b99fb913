-- The intervals of which a run's newest validation was blocked. Grain: interval. Reads only. Parameters: dag_id, run_id.
SELECT begins, ends FROM (
    SELECT DISTINCT ON (dataset, interval_from, interval_to) interval_from AS begins, interval_to AS ends, outcome
    FROM store.validation WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s
    ORDER BY dataset, interval_from, interval_to, validation_id DESC
) AS newest WHERE outcome = 'blocked' ORDER BY 1, 2
