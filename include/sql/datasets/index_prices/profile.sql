-- One row an index and day computed, the newest version of each. Grain: index_name, day. Reads only. Parameters: from, to. Without a day of
-- the perpetual only the hours and minutes that are known are expected.
SELECT x.index_name, x.day, x.version_id,
       coalesce(l.expected, m.known) AS expected_minutes, m.known AS minutes,
       -- the perpetual's own gate has already named and explained the minutes it has no candle of
       coalesce(l.expected - m.known - m.unknown, 0) AS missing_minutes,
       m.true_minutes, m.known - m.true_minutes AS proxy_minutes, x.compared_hours::integer AS compared_hours,
       x.proxy_error_max, x.proxy_error_p95, m.not_positive AS not_positive_minutes,
       m.chart_distance,
       coalesce(l.expected, m.known) AS rows_expected, coalesce(l.expected - m.known - m.unknown, 0) AS rows_missing
FROM (SELECT DISTINCT ON (day, index_name) * FROM store.index_day WHERE day >= (%(from)s::timestamptz AT TIME ZONE 'UTC')::date AND day < (%(to)s::timestamptz AT TIME ZONE 'UTC')::date
      ORDER BY day, index_name, version_id DESC) AS x
LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
LEFT JOIN store.lifetime i ON i.instrument_id = x.perpetual_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN p.version_id IS NOT NULL
                THEN (extract(epoch FROM least((x.day + 1)::timestamp AT TIME ZONE 'UTC', i.ends)
                        - greatest(x.day::timestamp AT TIME ZONE 'UTC', i.begins)) / 60)::integer END AS expected) AS l
CROSS JOIN LATERAL (
    SELECT count(v.price)::integer AS known, count(*)::integer - count(v.price)::integer AS unknown,
           count(v.index_price)::integer AS true_minutes,
           -- NaN is greater than any number; and no market has a number like 1e51
           count(*) FILTER (WHERE v.price <= 0 OR v.price > 1e50)::integer AS not_positive,
           -- of the two it is checked against one may be wrong itself: the nearer counts
           max(CASE WHEN u.charted IS NOT NULL THEN (
               SELECT least(store.symmetric_distance(store.price(u.charted), store.price(u.proxy)),
                            -- the index at the end of the minute's hour, else at its beginning
                            store.symmetric_distance(store.price(u.charted), store.price(coalesce(x.hourly[k.hour + 1], x.hourly[k.hour]))))
               FROM (SELECT (w.first + u.i - 1) / 60 AS hour) AS k) END) AS chart_distance
    FROM (SELECT coalesce(p.first_minute, 0) AS first, coalesce(p.n, 1440) AS n OFFSET 0) AS w
    CROSS JOIN LATERAL (
        SELECT unnest(p.close) AS proxy, unnest(store.slice_minutes(x.minutes, 0, w.first, w.n)) AS charted, generate_series(1, w.n) AS i) AS u
    CROSS JOIN LATERAL (
        SELECT t.index_price, coalesce(t.index_price, u.proxy) AS price
        FROM (SELECT coalesce(CASE WHEN mod(w.first + u.i, 60) = 0 THEN x.hourly[(w.first + u.i) / 60] END, u.charted) AS index_price OFFSET 0) AS t
        OFFSET 0) AS v
) AS m
WHERE x.state <> 'withdrawn'
ORDER BY x.index_name, x.day
