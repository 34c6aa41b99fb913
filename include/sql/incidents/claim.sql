-- Takes what is to be told next: the oldest that nobody was told of, with all of its dataset and kind to which the same has
-- happened, so that they are one message; of what a watch sees with all of its rule, for what stops it stops many datasets. Whoever takes them tells and says so (told.sql); where that never comes, they can be
-- taken again after two minutes. Grain: an incident. May run twice: two at once take different ones. Parameters: calm (an end
-- is told when it has lasted so long), remind (NULL: never).
--   said_over_at, said_over_by  somebody had said in the day before it opened that the same of it was over
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
LEFT JOIN LATERAL (
    -- what is over because somebody says so was acknowledged in the same moment; a warning is over with that alone
    SELECT o.resolved_at, o.acknowledged_by FROM store.incident o
    WHERE o.kind = d.kind AND o.dataset = d.dataset AND o.rule = d.rule AND o.instruments = d.instruments AND o.stands && d.stands
      AND o.kind <> 'warning' AND o.resolved_at = o.acknowledged_at AND o.resolved_at BETWEEN d.opened_at - interval '1 day' AND d.opened_at
    ORDER BY o.resolved_at DESC LIMIT 1) AS o ON true
WHERE i.incident_id = d.incident_id
RETURNING i.*, d.news, now() AS now, o.resolved_at AS said_over_at, o.acknowledged_by AS said_over_by
