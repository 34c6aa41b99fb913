-- What goes wrong, once each, and how it ended.
CREATE VIEW incidents AS
    SELECT incident_id, CASE WHEN resolved_at IS NOT NULL THEN 'resolved' WHEN acknowledged_at IS NOT NULL THEN 'acknowledged'
                             ELSE 'open' END AS state,
           level, kind, dataset, rule, instruments, opened_at, seen_at, times, resolved_at,
           coalesce(resolved_at, now()) - opened_at AS lasted, words AS message, acknowledged_at, acknowledged_by, note,
           told_at AS notified_at, end_told_at AS end_notified_at, dag_id, run_id
    FROM store.incident;
