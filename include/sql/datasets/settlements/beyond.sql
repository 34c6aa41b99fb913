-- Published and pending settlements of a day after the one on which their instrument's lifetime ends, because the end was learned
-- later, or of an instrument without a lifetime. (Those that are loaded from then on are held back by the rule inside-lifetime.)
-- Grain: instrument, day, type, version. Reads only.
SELECT i.label AS instrument, i.instrument AS subject, s.instrument_id, s.day, s.type, s.version_id, s.state = 'published' AS is_published,
       s.settled_at AS at
FROM store.settlement s JOIN store.instrument i USING (instrument_id) LEFT JOIN store.lifetime l USING (instrument_id)
WHERE (l.instrument_id IS NULL OR s.day > (l.ends AT TIME ZONE 'UTC')::date) AND s.state IN ('published', 'pending')
ORDER BY s.instrument_id, s.day, s.type, s.version_id
