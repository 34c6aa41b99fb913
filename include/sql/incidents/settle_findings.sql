-- What a suite found is over when no finding of it is open any more: its days have passed, or are waived. Of snapshots nobody
-- looks at one again: there it is over when the newest run has not found it. What live had found is said of the closed day from
-- then on, which has the suite's name, and may be what ends it, for live need not look at anything again: where the closed day has
-- the same finding it is no end, and nobody is told of one. Grain: an incident. May run twice. Parameters: dataset.
WITH over AS (
    SELECT i.incident_id,
           EXISTS (SELECT FROM store.quarantine q
                   WHERE q.dataset = n.suite AND n.suite <> i.dataset AND q.closed_by IS NULL AND q.waived_reason IS NULL AND q.rule = i.rule
                     AND (q.severity = 'critical') = (i.kind = 'quarantine')
                     AND upper(split_part(translate(q.subject, '_', '-'), '-', 1)) = i.instruments) AS goes_on
    FROM store.incident i CROSS JOIN LATERAL (
        SELECT dag_id, run_id, interval_from = interval_to AS moment, suite FROM store.validation
        WHERE dataset = i.dataset ORDER BY validated_at DESC, validation_id DESC LIMIT 1) AS n
    WHERE i.resolved_at IS NULL AND %(dataset)s IN (i.dataset, n.suite) AND i.kind IN ('quarantine', 'warning')
      AND NOT EXISTS (
          SELECT FROM store.quarantine q JOIN store.validation v USING (validation_id)
          WHERE q.dataset = i.dataset AND q.closed_by IS NULL AND q.waived_reason IS NULL AND q.rule = i.rule
            AND (q.severity = 'critical') = (i.kind = 'quarantine')
            AND upper(split_part(translate(q.subject, '_', '-'), '-', 1)) = i.instruments
            AND (NOT n.moment OR (v.dag_id, v.run_id) = (n.dag_id, n.run_id)))
)
UPDATE store.incident i
SET resolved_at = now(), stands = '{}', told_at = CASE WHEN o.goes_on THEN coalesce(i.told_at, now()) ELSE i.told_at END,
    end_told_at = CASE WHEN o.goes_on THEN now() END
FROM over o WHERE i.incident_id = o.incident_id AND i.resolved_at IS NULL
