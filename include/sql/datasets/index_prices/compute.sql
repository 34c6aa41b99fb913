-- Lays the true index (funding hours, chart minutes) beside the perpetual that stands in for it and measures how far the
-- perpetual was off where both are known: adds a version where the newest one of the day was computed from others, or was
-- withdrawn, and drops what was never decided on in its place. A day without the one is made of the other.
-- Grain: index, day. May run twice: equal inputs write nothing. Parameters: from, to (dates or NULL: everything), dataset,
-- subject, host, run_id.
WITH inputs AS MATERIALIZED (
    SELECT * FROM store.index_due(%(from)s::date, %(to)s::date)
), replaced AS (
    DELETE FROM store.index_day x USING inputs i
    WHERE x.day >= coalesce(%(from)s::date, '-infinity') AND x.day < coalesce(%(to)s::date, 'infinity')
      AND x.index_name = i.index_name AND x.day = i.day AND x.state IN ('pending', 'held', 'withdrawn') AND isempty(x.shown)
), computed AS (
    INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
    SELECT %(dataset)s, %(subject)s, %(host)s, %(run_id)s, count(*), 0, 0 FROM inputs HAVING count(*) > 0
    RETURNING version_id
)
INSERT INTO store.index_day (index_name, day, version_id, perpetual_id, perpetual_version_id, funding_validation_id, chart_version_id,
                             hourly, minutes, compared_hours, proxy_error_mean, proxy_error_p95, proxy_error_max)
SELECT x.index_name, x.day, n.version_id, x.perpetual_id, x.perpetual_version_id, x.funding_validation_id, x.chart_version_id,
       h.prices, c.price, h.compared, h.error_mean, h.error_p95, h.error_max
FROM inputs x CROSS JOIN computed n
-- each by its key and no other way (LIMIT 1)
LEFT JOIN LATERAL (SELECT v.first_minute, v.n, v.close FROM store.candle_day v
                   WHERE v.instrument_id = x.perpetual_id AND v.day = x.day AND v.version_id = x.perpetual_version_id LIMIT 1) AS p ON true
LEFT JOIN LATERAL (SELECT v.price FROM store.index_chart_day v WHERE v.index_name = x.index_name AND v.day = x.day LIMIT 1) AS c ON true
CROSS JOIN LATERAL (
    SELECT array_agg(f.index_price ORDER BY hour.k) AS prices,
           count(e.error) AS compared, avg(e.error) AS error_mean,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY abs(e.error)) AS error_p95, max(abs(e.error)) AS error_max
    FROM generate_series(1, 24) AS hour(k)
    LEFT JOIN store.funding_rate f ON f.instrument_id = x.perpetual_id AND f.state = 'published'
         AND f.ts = (x.day::timestamp AT TIME ZONE 'UTC') + hour.k * interval '1 hour'
    LEFT JOIN LATERAL (SELECT store.price(p.close[hour.k * 60 - p.first_minute]) / store.price(f.index_price) - 1 AS error
                       WHERE hour.k * 60 - p.first_minute BETWEEN 1 AND p.n) AS e ON true
    ) AS h
ORDER BY x.index_name, x.day
