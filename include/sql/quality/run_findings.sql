-- What a run's validations said, for the message about it: a run that judges several windows has one each, and of
-- a window judged again only the newest counts. Grain: a finding, or a validation without any. Reads only.
SELECT v.validation_id, v.verdict, v.blocked_because, q.subject AS instrument, q.day, q.ts, q.rule, q.severity, q.observed
FROM (SELECT DISTINCT ON (dataset, interval_from, interval_to) * FROM store.validation
      WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s
      ORDER BY dataset, interval_from, interval_to, validation_id DESC) v
LEFT JOIN store.quarantine q ON q.validation_id = v.validation_id AND q.waived_reason IS NULL
ORDER BY v.interval_from, v.validation_id, q.severity, q.subject, q.day, q.ts, q.rule
