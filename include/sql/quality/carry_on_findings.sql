-- What a validation found again of a minute or a beat takes the place of what was open of the same rule: a live minute is looked at
-- sixty times, and a row for each time would say nothing more. Grain: a finding. May run twice: what was carried on is gone. Parameters:
-- validation_id, dataset; subjects, days and instants (NULL: all of the day, of which the earlier findings stay), pairwise.
WITH earlier AS (
    DELETE FROM store.quarantine e
    USING store.quarantine q, unnest(%(subjects)s::text[], %(days)s::date[], %(instants)s::timestamptz[]) AS k(subject, day, ts)
    WHERE q.validation_id = %(validation_id)s AND (q.subject, q.day, q.ts) = (k.subject, k.day, k.ts)
      AND e.dataset = %(dataset)s AND e.closed_by IS NULL AND e.validation_id <> q.validation_id
      AND (e.subject, e.day, e.ts, e.rule, e.severity) = (q.subject, q.day, q.ts, q.rule, q.severity)
      AND e.waived_reason IS NOT DISTINCT FROM q.waived_reason
    RETURNING e.subject, e.ts, e.rule, e.severity, e.times
)
UPDATE store.quarantine q SET times = q.times + e.times
FROM (SELECT subject, ts, rule, severity, sum(times)::integer AS times FROM earlier GROUP BY subject, ts, rule, severity) AS e
WHERE q.validation_id = %(validation_id)s AND (q.subject, q.ts, q.rule, q.severity) = (e.subject, e.ts, e.rule, e.severity)
