-- The findings of a run's validations, for the message about it. A run that validates several windows has one validation for each; of a
-- window that was validated again only the newest one counts. known: an earlier validation had the same finding for the same key (which
-- it closed, or carries on) or, for a snapshot or a live minute (whose intervals are less than a day), for one in the day before, so that
-- a lasting finding is reported once.
-- Grain: a finding, or a validation without any. Reads only.
WITH validated AS (
    SELECT DISTINCT ON (dataset, interval_from, interval_to) * FROM store.validation
    WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s
    ORDER BY dataset, interval_from, interval_to, validation_id DESC
)
SELECT v.validation_id, v.dataset, v.outcome, v.blocked_because, q.subject AS instrument, q.day, q.ts, q.rule, q.severity, q.observed,
       q.times > 1
       OR EXISTS (SELECT FROM store.quarantine e
               WHERE e.closed_by = q.validation_id AND e.dataset = q.dataset AND e.subject = q.subject AND e.day = q.day
                 AND e.ts IS NOT DISTINCT FROM q.ts AND e.rule = q.rule AND e.severity = q.severity
                 AND e.waived_reason IS NULL)
       OR v.interval_to - v.interval_from < interval '1 day'
          AND EXISTS (SELECT FROM store.quarantine e
                      WHERE e.dataset = q.dataset AND e.subject = q.subject AND e.rule = q.rule AND e.severity = q.severity
                        AND e.ts < q.ts AND e.ts >= q.ts - interval '1 day'
                        AND e.waived_reason IS NULL) AS known
FROM validated v LEFT JOIN store.quarantine q ON q.validation_id = v.validation_id AND q.waived_reason IS NULL
ORDER BY v.interval_from, v.validation_id, q.severity, q.subject, q.day, q.ts, q.rule
