-- Published and pending minutes of open days that lie outside their instrument's lifetime, because a listing, an expiry or an end was
-- learned later: wherever no closed day is published, readers are shown them. Grain: instrument, minute, version. Reads only.
-- Parameters: perpetual.
SELECT i.label AS instrument, i.instrument AS subject, o.instrument_id, o.ts, o.version_id, o.state = 'published' AS is_published,
       o.ts AS at
FROM store.open_candle o
JOIN store.instrument i ON i.instrument_id = o.instrument_id AND i.kind = 'future'
                           AND coalesce(i.settlement_period = 'perpetual', false) = %(perpetual)s
LEFT JOIN store.lifetime l ON l.instrument_id = o.instrument_id
WHERE (l.instrument_id IS NULL OR o.ts < l.begins OR o.ts >= l.ends) AND o.state IN ('published', 'pending')
ORDER BY o.instrument_id, o.ts, o.version_id
