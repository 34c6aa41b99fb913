-- The months in which an index day is missing or was judged on other versions than are published now.
-- Funding is told apart by the validation that published it: an hour waived later has the load of its day.
-- A day waits for its funding: either an hour of it is published, or the perpetual has none that early.
-- Grain: month. Reads only. Parameters: from, to (NULL: everything), again (boolean: whether judged or not).
SELECT date_trunc('month', p.day)::date AS month, min(p.day) AS first_day, max(p.day) AS last_day, count(*) AS days
FROM store.index_proxy x
JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.validation_id IS NOT NULL
LEFT JOIN store.funding_start s ON s.instrument_id = x.perpetual_id
LEFT JOIN LATERAL (SELECT max(f.validation_id) AS validation_id FROM store.funding_rate f
                   WHERE f.instrument_id = x.perpetual_id AND f.validation_id IS NOT NULL
                     AND f.ts > p.day::timestamp AT TIME ZONE 'UTC' AND f.ts <= (p.day + 1)::timestamp AT TIME ZONE 'UTC') f ON true
LEFT JOIN store.index_chart_day c ON c.index_name = x.index_name AND c.day = p.day
LEFT JOIN store.index_day d ON d.index_name = x.index_name AND d.day = p.day
WHERE (f.validation_id IS NOT NULL OR s.first_hour > (p.day + 1)::timestamp AT TIME ZONE 'UTC')
  AND p.day >= coalesce(%(from)s::date, '-infinity') AND p.day < coalesce(%(to)s::date, 'infinity')
  AND (%(again)s OR d.day IS NULL OR (d.perpetual_id, d.perpetual_load_id, d.funding_validation_id, d.chart_load_id)
       IS DISTINCT FROM (x.perpetual_id, p.load_id, f.validation_id, c.load_id))
GROUP BY 1 ORDER BY 1
