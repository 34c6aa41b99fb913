-- The months in which a published future's day has no basis yet, or one validated on other versions than are
-- published now. Grain: month. Reads only. Parameters: from, to (NULL: everything), again (boolean: whether validated or not).
SELECT date_trunc('month', c.day)::date AS month, min(c.day) AS first_day, max(c.day) AS last_day, count(*) AS days
FROM store.future f
JOIN store.candle_day c ON c.instrument_id = f.instrument_id AND c.validation_id IS NOT NULL
     AND c.day >= f.from_day AND c.day < f.past_day
-- by its key and no other way (LIMIT 1)
CROSS JOIN LATERAL (SELECT v.instrument_id, v.version_id FROM store.candle_day v
                    WHERE v.instrument_id = f.perpetual_id AND v.day = c.day AND v.validation_id IS NOT NULL LIMIT 1) AS p
LEFT JOIN store.basis_day b ON b.instrument_id = c.instrument_id AND b.day = c.day
WHERE c.day >= coalesce(%(from)s::date, '-infinity') AND c.day < coalesce(%(to)s::date, 'infinity')
  AND (%(again)s OR b.day IS NULL OR (b.version_id, b.perpetual_id, b.perpetual_version_id) IS DISTINCT FROM (c.version_id, p.instrument_id, p.version_id))
GROUP BY 1 ORDER BY 1
