-- The months in which an index day is missing or was validated on other versions than are published now.
-- Funding is told apart by the validation that published it: an hour waived later has the load of its day.
-- A day waits for what it is still to have: for its perpetual until that day was validated, for its funding until that was,
-- or until it is known that there was none that early. What is held back then is not waited for: the hours are an index
-- without the perpetual, and the perpetual stands in without the hours.
-- Grain: month. Reads only. Parameters: from, to (NULL: everything), again (boolean: whether validated or not).
WITH seen AS (
    SELECT dataset, interval_from, interval_to FROM store.validation
    WHERE dataset IN ('perpetuals_ohlcv', 'funding_rates') GROUP BY 1, 2, 3
)
SELECT date_trunc('month', x.day)::date AS month, min(x.day) AS first_day, max(x.day) AS last_day, count(*) AS days
FROM store.index_days(%(from)s::date, %(to)s::date) AS x
LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.validation_id IS NOT NULL
LEFT JOIN store.funding_start s ON s.instrument_id = x.perpetual_id
LEFT JOIN LATERAL (SELECT max(f.validation_id) AS validation_id FROM store.funding_rate f
                   WHERE f.instrument_id = x.perpetual_id AND f.validation_id IS NOT NULL
                     AND f.ts > x.day::timestamp AT TIME ZONE 'UTC' AND f.ts <= (x.day + 1)::timestamp AT TIME ZONE 'UTC') f ON true
-- each by its key and no other way (LIMIT 1)
LEFT JOIN LATERAL (SELECT v.version_id FROM store.index_chart_day v WHERE v.index_name = x.index_name AND v.day = x.day LIMIT 1) AS c ON true
LEFT JOIN LATERAL (SELECT v.* FROM store.index_day v WHERE v.index_name = x.index_name AND v.day = x.day LIMIT 1) AS d ON true
WHERE (p.version_id IS NOT NULL OR f.validation_id IS NOT NULL
       AND EXISTS (SELECT FROM seen v WHERE v.dataset = 'perpetuals_ohlcv'
                   AND x.day::timestamp AT TIME ZONE 'UTC' >= v.interval_from AND x.day::timestamp AT TIME ZONE 'UTC' < v.interval_to))
  AND (f.validation_id IS NOT NULL OR s.first_hour IS NULL OR s.first_hour > (x.day + 1)::timestamp AT TIME ZONE 'UTC'
       OR EXISTS (SELECT FROM seen v WHERE v.dataset = 'funding_rates'
                  AND x.day::timestamp AT TIME ZONE 'UTC' >= v.interval_from AND x.day::timestamp AT TIME ZONE 'UTC' < v.interval_to))
  AND (%(again)s OR d.day IS NULL OR (d.perpetual_id, d.perpetual_version_id, d.funding_validation_id, d.chart_version_id)
       IS DISTINCT FROM (x.perpetual_id, p.version_id, f.validation_id, c.version_id))
GROUP BY 1 ORDER BY 1
