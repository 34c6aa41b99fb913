-- Pairs every published futures day with its perpetual's. Grain: future, day. May run twice: an equal pair
-- writes nothing. Parameters: from, to (dates).
INSERT INTO store.basis_day AS t (instrument_id, day, version_id, perpetual_id, perpetual_version_id, minutes)
SELECT c.instrument_id, c.day, c.version_id, p.instrument_id, p.version_id, greatest(k.past - k.first - (c.n - c.present), 0)
FROM store.future f
JOIN store.candle_day c ON c.instrument_id = f.instrument_id AND c.validation_id IS NOT NULL
     AND c.day >= f.from_day AND c.day < f.past_day
-- by its key and no other way (LIMIT 1)
CROSS JOIN LATERAL (SELECT v.instrument_id, v.version_id FROM store.candle_day v
                    WHERE v.instrument_id = f.perpetual_id AND v.day = c.day AND v.validation_id IS NOT NULL LIMIT 1) AS p
CROSS JOIN LATERAL store.clip_minutes(c.day, c.first_minute, c.n, f.perpetual_begins, f.perpetual_ends) AS k
WHERE c.day >= %(from)s AND c.day < %(to)s
ORDER BY c.day, c.instrument_id
ON CONFLICT (day, instrument_id) DO UPDATE SET
    version_id = excluded.version_id, perpetual_id = excluded.perpetual_id, perpetual_version_id = excluded.perpetual_version_id,
    minutes = excluded.minutes,
    validation_id = NULL, published = false
WHERE (t.version_id, t.perpetual_id, t.perpetual_version_id) IS DISTINCT FROM (excluded.version_id, excluded.perpetual_id, excluded.perpetual_version_id)
