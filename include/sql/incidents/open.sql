-- The incidents that are open, oldest first. Grain: an incident. Reads only.
SELECT incident_id, state, level, kind, dataset, rule, instruments, opened_at, seen_at, times, message, acknowledged_by, note
FROM incidents WHERE resolved_at IS NULL ORDER BY incident_id
