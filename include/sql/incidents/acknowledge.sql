-- Somebody has seen an incident that is open. A warning is over with that, and so is what somebody says is; of such an end
-- nobody is told. Grain: an incident. May run twice: the last word counts. Answers no row where it is not open.
UPDATE store.incident
SET acknowledged_at = now(), acknowledged_by = %(by)s, note = coalesce(%(note)s::text, note), told_at = coalesce(told_at, now()),
    resolved_at = CASE WHEN kind = 'warning' OR %(resolve)s::boolean THEN now() END,
    end_told_at = CASE WHEN kind = 'warning' OR %(resolve)s::boolean THEN now() END
WHERE incident_id = %(incident_id)s AND resolved_at IS NULL
RETURNING incident_id, kind, dataset, rule, instruments, opened_at, times, resolved_at
