-- Lays the true index (funding hours, chart minutes) beside the perpetual that stands in for it and measures
-- how far the perpetual was off where both are known. A day without the one is made of the other. Grain: index, day.
-- May run twice. Parameters: from, to (dates).
INSERT INTO store.index_day AS t (index_name, day, perpetual_id, perpetual_version_id, funding_validation_id, chart_version_id, hourly,
                                  minutes, compared_hours, proxy_error_mean, proxy_error_p95, proxy_error_max)
SELECT x.index_name, x.day, x.perpetual_id, p.version_id, h.validation_id, c.version_id, h.prices, c.price,
       h.compared, h.error_mean, h.error_p95, h.error_max
FROM store.index_days(%(from)s::date, %(to)s::date) AS x
LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.validation_id IS NOT NULL
     AND p.day >= %(from)s AND p.day < %(to)s
LEFT JOIN store.index_chart_day c ON c.index_name = x.index_name AND c.day = x.day
CROSS JOIN LATERAL (
    SELECT max(f.validation_id) AS validation_id, array_agg(f.index_price ORDER BY hour.k) AS prices,
           count(e.error) AS compared, avg(e.error) AS error_mean,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY abs(e.error)) AS error_p95, max(abs(e.error)) AS error_max
    FROM generate_series(1, 24) AS hour(k)
    LEFT JOIN store.funding_rate f ON f.instrument_id = x.perpetual_id AND f.validation_id IS NOT NULL
         AND f.ts = (x.day::timestamp AT TIME ZONE 'UTC') + hour.k * interval '1 hour'
    LEFT JOIN LATERAL (SELECT store.price(p.close[hour.k * 60 - p.first_minute]) / store.price(f.index_price) - 1 AS error
                       WHERE hour.k * 60 - p.first_minute BETWEEN 1 AND p.n) AS e ON true
    ) AS h
WHERE p.version_id IS NOT NULL OR h.validation_id IS NOT NULL
ORDER BY x.index_name, x.day
ON CONFLICT (index_name, day) DO UPDATE SET
    perpetual_id = excluded.perpetual_id, perpetual_version_id = excluded.perpetual_version_id, funding_validation_id = excluded.funding_validation_id,
    chart_version_id = excluded.chart_version_id, hourly = excluded.hourly, minutes = excluded.minutes, compared_hours = excluded.compared_hours,
    proxy_error_mean = excluded.proxy_error_mean, proxy_error_p95 = excluded.proxy_error_p95, proxy_error_max = excluded.proxy_error_max,
    validation_id = NULL, published = false
WHERE (t.perpetual_id, t.perpetual_version_id, t.funding_validation_id, t.chart_version_id, t.hourly, t.minutes) IS DISTINCT FROM
      (excluded.perpetual_id, excluded.perpetual_version_id, excluded.funding_validation_id, excluded.chart_version_id, excluded.hourly, excluded.minutes)
