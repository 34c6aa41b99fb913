-- What is validated of the index of open days: a row a minute that the funding chart tells, that no published summary does, and that was
-- not decided on last at this price and beside the same (compared_with); of the days of the interval and the one before, for a chart goes
-- eight hours back. The summaries have a gate of their own. The columns are those of the index' own profile, of a day that has one minute
-- and all of it true, and the version of the chart. Grain: index_name, ts. Reads only. Parameters: from, to (timestamptz, the interval), currencies.
-- A minute is left out until there is something to compare it with: the perpetual's published minute, or where that is missing or far
-- away, for it may be wrong itself, the index at the end of its hour or at the beginning. Of two the nearer counts.
SELECT x.index_name, m.ts, x.day, c.version_id AS chart_version_id, m.compared_with,
       1 AS expected_minutes, 1 AS minutes, 0 AS missing_minutes, 1 AS true_minutes, 0 AS proxy_minutes, 0 AS compared_hours,
       NULL::float8 AS proxy_error_max, NULL::float8 AS proxy_error_p95,
       -- NaN is greater than any number; and no market has a number like 1e51
       (m.price <= 0 OR m.price > 1e50)::integer AS not_positive_minutes,
       m.distance AS chart_distance, 1 AS rows_expected, 0 AS rows_missing
FROM store.index_days((%(from)s::timestamptz AT TIME ZONE 'UTC')::date - 1, (%(to)s::timestamptz AT TIME ZONE 'UTC')::date + 1) AS x
JOIN store.instrument i ON i.instrument_id = x.perpetual_id AND i.settlement_currency = ANY(%(currencies)s)
JOIN store.index_chart_day c ON c.index_name = x.index_name AND c.day = x.day
CROSS JOIN LATERAL (
    -- sets of minutes, because a join of as many with as many of which no statistics tell is planned as a loop in a loop
    SELECT d.ts, d.price, d.compared_with, max(d.distance) AS distance
    FROM (SELECT t.ts, t.price, false AS is_decided, least(p.distance, h.distance) AS distance,
                 store.compared_with(coalesce(p.distance <= 0.25, false), p.version_id, h.validation_id) AS compared_with
          FROM (SELECT n.ts, c.price[store.minute_of(n.ts) + 1] AS price
                FROM (SELECT x.day::timestamp AT TIME ZONE 'UTC' + (u.place - 1) * interval '1 minute' AS ts
                      FROM unnest(c.price) WITH ORDINALITY AS u(price, place) WHERE u.price IS NOT NULL
                      EXCEPT
                      SELECT s.beat - interval '1 minute'
                      FROM store.index_samples(i.settlement_currency, i.instrument, x.day, NULL) AS s) AS n
                OFFSET 0) AS t
          LEFT JOIN LATERAL (SELECT v.version_id, store.symmetric_distance(store.price(t.price), store.price(v.close)) AS distance
                             FROM store.open_candle v
                             WHERE v.instrument_id = x.perpetual_id AND v.ts = t.ts AND v.state = 'published' LIMIT 1) AS p ON true
          LEFT JOIN LATERAL (SELECT f.validation_id, store.symmetric_distance(store.price(t.price), store.price(f.index_price)) AS distance
                             FROM store.funding_rate f
                             WHERE (p.distance <= 0.25) IS NOT TRUE
                               AND f.instrument_id = x.perpetual_id AND f.state = 'published' AND f.index_price IS NOT NULL
                               AND f.ts >= date_trunc('hour', t.ts, 'UTC') AND f.ts <= date_trunc('hour', t.ts, 'UTC') + interval '1 hour'
                             ORDER BY f.ts DESC LIMIT 1) AS h ON true
          WHERE p.version_id IS NOT NULL OR h.validation_id IS NOT NULL
          UNION ALL
          (SELECT DISTINCT ON (u.minute) x.day::timestamp AT TIME ZONE 'UTC' + u.minute * interval '1 minute', u.price, true, NULL, u.compared_with
           FROM store.charted_index k CROSS JOIN LATERAL unnest(k.minutes, k.prices, k.compared_with) AS u(minute, price, compared_with)
           WHERE k.index_name = x.index_name AND k.day = x.day
           ORDER BY u.minute, k.validation_id DESC)) AS d
    GROUP BY d.ts, d.price, d.compared_with
    HAVING NOT bool_or(d.is_decided)) AS m
WHERE NOT EXISTS (SELECT FROM store.index_day d WHERE d.index_name = x.index_name AND d.day = x.day AND d.state = 'published')
ORDER BY x.index_name, m.ts
