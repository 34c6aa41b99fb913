-- Keeps what a suite said of an interval. Grain: a validation. May run twice: another look is another row, and the
-- newest counts.
INSERT INTO store.validation (dataset, dag_id, run_id, interval_from, interval_to, outcome, suite, suite_digest, rows_checked, minutes, missing, blocked_because, result)
VALUES (%(dataset)s, %(dag_id)s, %(run_id)s, %(from)s, %(to)s, %(outcome)s, %(suite)s, %(suite_digest)s, %(rows)s, %(minutes)s, %(missing)s, %(blocked_because)s, %(result)s)
RETURNING validation_id
