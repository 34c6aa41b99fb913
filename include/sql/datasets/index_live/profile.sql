-- What is validated of the index of open days: a row a minute that the funding chart tells, that no published summary does, and that was
-- not decided on at this price; of the days of the interval and the one before, for a chart goes eight hours back. The summaries have a
-- gate of their own. The columns are those of the index' own profile, of a day that has one minute and all of it true, and the version
-- of the chart. Grain: index_name, ts. Reads only. Parameters: from, to (timestamptz, the interval), currencies.
-- A minute is left out until there is something to compare it with: the perpetual's published minute, or the index at the end of its
-- hour or at the beginning. Of two the nearer counts, for one of them may be wrong itself.
SELECT x.index_name, m.ts, x.day, m.chart_version_id,
       1 AS expected_minutes, 1 AS minutes, 0 AS missing_minutes, 1 AS true_minutes, 0 AS proxy_minutes, 0 AS compared_hours,
       NULL::float8 AS proxy_error_max, NULL::float8 AS proxy_error_p95,
       -- NaN is greater than any number; and no market has a number like 1e51
       (m.price <= 0 OR m.price > 1e50)::integer AS not_positive_minutes,
       least(store.symmetric_distance(store.price(m.price), store.price(p.close)),
             store.symmetric_distance(store.price(m.price), store.price(h.index_price))) AS chart_distance,
       1 AS rows_expected, 0 AS rows_missing
FROM store.index_days((%(from)s::timestamptz AT TIME ZONE 'UTC')::date - 1, (%(to)s::timestamptz AT TIME ZONE 'UTC')::date + 1) AS x
JOIN store.instrument i ON i.instrument_id = x.perpetual_id AND i.settlement_currency = ANY(%(currencies)s)
CROSS JOIN LATERAL (
    SELECT x.day::timestamp AT TIME ZONE 'UTC' + n.minute * interval '1 minute' AS ts, c.price[n.minute + 1] AS price,
           c.version_id AS chart_version_id
    FROM store.index_chart_day c
    -- sets of minutes, because a join of as many with as many of which no statistics tell is planned as a loop in a loop
    CROSS JOIN LATERAL (
        SELECT u.place::integer - 1 AS minute FROM unnest(c.price) WITH ORDINALITY AS u(price, place) WHERE u.price IS NOT NULL
        EXCEPT
        SELECT store.minute_of(s.beat - interval '1 minute')
        FROM store.index_samples(i.settlement_currency, i.instrument, x.day, NULL) AS s
        EXCEPT
        SELECT d.minute FROM store.charted_index k CROSS JOIN LATERAL unnest(k.minutes, k.prices) AS d(minute, price)
        WHERE k.index_name = x.index_name AND k.day = x.day AND d.price = c.price[d.minute + 1]) AS n
    WHERE c.index_name = x.index_name AND c.day = x.day
    OFFSET 0) AS m
LEFT JOIN LATERAL (SELECT v.close FROM store.open_candle v
                   WHERE v.instrument_id = x.perpetual_id AND v.ts = m.ts AND v.state = 'published' LIMIT 1) AS p ON true
LEFT JOIN LATERAL (SELECT f.index_price FROM store.funding_rate f
                   WHERE f.instrument_id = x.perpetual_id AND f.state = 'published' AND f.index_price IS NOT NULL
                     AND f.ts >= date_trunc('hour', m.ts, 'UTC') AND f.ts <= date_trunc('hour', m.ts, 'UTC') + interval '1 hour'
                   ORDER BY f.ts DESC LIMIT 1) AS h ON true
WHERE NOT EXISTS (SELECT FROM store.index_day d WHERE d.index_name = x.index_name AND d.day = x.day AND d.state = 'published')
  AND (p.close IS NOT NULL OR h.index_price IS NOT NULL)
ORDER BY x.index_name, m.ts
