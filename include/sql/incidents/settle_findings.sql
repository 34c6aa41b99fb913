-- What a suite found is over when no finding of it is open any more: its days have passed, or are waived. Of snapshots nobody
-- looks at one again: there it is over when the newest run has not found it. Grain: an incident. May run twice. Parameters:
-- dataset.
WITH newest AS (
    SELECT dag_id, run_id, interval_from = interval_to AS moment FROM store.validation
    WHERE dataset = %(dataset)s ORDER BY validation_id DESC LIMIT 1
)
UPDATE store.incident i SET resolved_at = now(), stands = '{}'
FROM newest n
WHERE i.resolved_at IS NULL AND i.dataset = %(dataset)s AND i.kind IN ('quarantine', 'warning')
  AND NOT EXISTS (
      SELECT FROM store.quarantine q JOIN store.validation v USING (validation_id)
      WHERE q.dataset = i.dataset AND q.closed_by IS NULL AND q.waived_reason IS NULL AND q.rule = i.rule
        AND (q.severity = 'critical') = (i.kind = 'quarantine')
        AND upper(split_part(translate(q.subject, '_', '-'), '-', 1)) = i.instruments
        AND (NOT n.moment OR (v.dag_id, v.run_id) = (n.dag_id, n.run_id)))
