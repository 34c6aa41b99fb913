-- A message about incidents went out. Grain: an incident. May run twice. Parameters: incident_ids, news.
UPDATE store.incident
SET told_at = CASE WHEN %(news)s::text = 'recovered' THEN coalesce(told_at, now()) ELSE now() END,
    end_told_at = CASE WHEN %(news)s::text = 'recovered' THEN now() ELSE end_told_at END, telling_at = NULL
WHERE incident_id = ANY (%(incident_ids)s)
