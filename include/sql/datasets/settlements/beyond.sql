-- Settlements that are published, or wait to be, of a day after the one on which a lifetime ends, where the end was learned
-- later, or of an instrument that has no lifetime any more. (The rule inside-lifetime holds back what is loaded from then on.)
-- Grain: instrument, day, type, version. Reads only.
SELECT i.label AS instrument, i.instrument AS subject, s.instrument_id, s.day, s.type, s.version_id, s.state = 'published' AS is_published,
       s.settled_at AS at
FROM store.settlement s JOIN store.instrument i USING (instrument_id) LEFT JOIN store.lifetime l USING (instrument_id)
WHERE (l.instrument_id IS NULL OR s.day > (l.ends AT TIME ZONE 'UTC')::date) AND s.state IN ('published', 'pending')
ORDER BY s.instrument_id, s.day, s.type, s.version_id
