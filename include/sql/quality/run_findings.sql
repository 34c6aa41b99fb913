-- What the newest validation of a run said, for the message about it. Grain: a finding.
SELECT v.verdict, v.blocked_because, q.subject, q.day, q.ts, q.rule, q.severity, q.observed
FROM (SELECT * FROM store.validation WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s ORDER BY validation_id DESC LIMIT 1) v
LEFT JOIN store.quarantine q ON q.validation_id = v.validation_id AND q.waived_reason IS NULL
ORDER BY q.severity, q.subject, q.day, q.ts, q.rule
