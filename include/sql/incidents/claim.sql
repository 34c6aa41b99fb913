-- Takes what is to be told next: the oldest that nobody was told of, with all of its dataset and kind to which the same has
-- happened, so that they are one message; of what a watch sees with all of its rule, for what stops it stops many datasets. Whoever takes them tells and says so (told.sql); where that never comes, they can be
-- taken again after two minutes. Grain: an incident. May run twice: two at once take different ones. Parameters: calm (an end
-- is told when it has lasted so long), remind (NULL: never).
--   news  opened, recovered; again: it is still seen, nobody has acknowledged it, or more of it stands since
WITH due AS (
    SELECT *, CASE WHEN resolved_at IS NOT NULL AND end_told_at IS NULL THEN 'recovered' WHEN told_at IS NULL THEN 'opened'
                   ELSE 'again' END AS news,
           CASE kind WHEN 'watch' THEN rule ELSE dataset END AS about
    FROM store.incident
    WHERE (telling_at IS NULL OR telling_at < now() - interval '2 minutes')
      AND CASE WHEN resolved_at IS NOT NULL AND end_told_at IS NULL THEN resolved_at <= now() - %(calm)s::interval
               WHEN told_at IS NULL THEN true
               ELSE resolved_at IS NULL AND told_at <= now() - %(remind)s::interval AND seen_at > told_at
                    AND (acknowledged_at IS NULL OR grown_at > acknowledged_at) END
    ORDER BY incident_id FOR UPDATE SKIP LOCKED
), first AS (
    SELECT about, kind, news FROM due ORDER BY incident_id LIMIT 1
)
UPDATE store.incident i SET telling_at = now()
FROM due d JOIN first USING (about, kind, news)
WHERE i.incident_id = d.incident_id
RETURNING i.*, d.news, now() AS now
