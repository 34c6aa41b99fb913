-- Published and pending days that lie outside their instrument's lifetime, at least in part, because a listing, an expiry or an end
-- was learned later. n: how many minutes of the day lie within it, from minute "first" of the day on; 0: none. Grain:
-- instrument-day, version. Reads only. Parameters: perpetual.
SELECT i.label AS instrument, i.instrument AS subject, c.instrument_id, c.day, c.version_id, c.state = 'published' AS is_published,
       c.day::timestamp AT TIME ZONE 'UTC' AS at, coalesce(k.first, 0) AS first, greatest(coalesce(k.past - k.first, 0), 0) AS n
FROM store.candle_day c
JOIN store.instrument i ON i.instrument_id = c.instrument_id AND i.kind = 'future'
                           AND coalesce(i.settlement_period = 'perpetual', false) = %(perpetual)s
LEFT JOIN store.lifetime l ON l.instrument_id = c.instrument_id
LEFT JOIN LATERAL store.clip_minutes(c.day, c.first_minute, c.n, l.begins, l.ends) AS k ON l.instrument_id IS NOT NULL
WHERE (k.first IS NULL OR k.past - k.first < c.n)
  AND c.state IN ('published', 'pending')
ORDER BY c.instrument_id, c.day, c.version_id
