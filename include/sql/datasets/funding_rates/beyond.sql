-- Published and pending hours of funding that lie after the end of their perpetual's lifetime, because that was learned later.
-- Grain: instrument, hour end, version. Reads only.
SELECT i.label AS instrument, i.instrument AS subject, f.instrument_id, f.ts, f.version_id, f.state = 'published' AS is_published, f.ts AS at
FROM store.lifetime l JOIN store.funding_rate f USING (instrument_id) JOIN store.instrument i USING (instrument_id)
WHERE l.perpetual AND l.funding_ends < 'infinity' AND f.ts > l.funding_ends AND f.state IN ('published', 'pending')
ORDER BY f.instrument_id, f.ts, f.version_id
