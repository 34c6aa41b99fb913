-- Lays the true index (funding hours, chart minutes, and what the summaries said of minutes that the chart lacks) beside the
-- perpetual that stands in for it and measures how far the perpetual was off where both are known: adds a version where the
-- newest one of the day was computed from others, or was withdrawn, and drops what was never decided on in its place. A day
-- without the one is made of the other.
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
                             summary_validation_id, hourly, minutes, sampled, compared_hours, proxy_error_mean, proxy_error_p95, proxy_error_max)
SELECT x.index_name, x.day, n.version_id, x.perpetual_id, x.perpetual_version_id, x.funding_validation_id, x.chart_version_id,
       x.summary_validation_id, h.prices, coalesce(s.minutes, c.price), s.sampled, h.compared, h.error_mean, h.error_p95, h.error_max
FROM inputs x CROSS JOIN computed n
JOIN store.instrument i ON i.instrument_id = x.perpetual_id
-- each by its key and no other way (LIMIT 1)
LEFT JOIN LATERAL (SELECT v.first_minute, v.n, v.close FROM store.candle_day v
                   WHERE v.instrument_id = x.perpetual_id AND v.day = x.day AND v.version_id = x.perpetual_version_id LIMIT 1) AS p ON true
LEFT JOIN LATERAL (SELECT v.price FROM store.index_chart_day v WHERE v.index_name = x.index_name AND v.day = x.day LIMIT 1) AS c ON true
-- days of before the first beat, and charts without a hole, cost nothing
LEFT JOIN LATERAL (
    SELECT array_agg(coalesce(c.price[m.i], s.price) ORDER BY m.i) AS minutes,
           string_agg((c.price[m.i] IS NULL AND s.price IS NOT NULL)::integer::text, '' ORDER BY m.i)::bit(1440) AS sampled
    FROM generate_series(1, 1440) AS m(i)
    -- OFFSET 0: a day's summaries are looked up by their key, and once
    LEFT JOIN (SELECT * FROM store.index_samples(i.settlement_currency, i.instrument, x.day, NULL) OFFSET 0) AS s
           ON s.beat = x.day::timestamp AT TIME ZONE 'UTC' + m.i * interval '1 minute'
    WHERE (c.price IS NULL OR array_position(c.price, NULL) IS NOT NULL)
      AND (x.day + 1)::timestamp AT TIME ZONE 'UTC' >= (SELECT min(b.begins) FROM store.snapshot_beat b WHERE b.dataset = 'instrument_summaries')
    HAVING count(s.price) FILTER (WHERE c.price[m.i] IS NULL) > 0) AS s ON true
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
