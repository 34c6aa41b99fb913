-- One row an index and day measured. Grain: index_name, day. Reads only. Parameters: from, to (dates).
SELECT x.index_name, x.day, x.judged_by, x.perpetual_load_id AS load_id,
       l.expected AS expected_minutes, m.known AS minutes,
       -- the perpetual's own gate has already named and explained the minutes it has no candle of
       l.expected - m.known - m.unknown AS missing_minutes,
       m.true_minutes, m.known - m.true_minutes AS proxy_minutes, x.compared_hours::integer AS compared_hours,
       x.proxy_error_max, x.proxy_error_p95, m.not_positive AS not_positive_minutes
FROM store.index_day x
JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.load_id = x.perpetual_load_id
JOIN store.instrument i ON i.instrument_id = x.perpetual_id
CROSS JOIN LATERAL (
    SELECT (extract(epoch FROM least((x.day + 1)::timestamp AT TIME ZONE 'UTC', i.expires_at)
                - greatest(x.day::timestamp AT TIME ZONE 'UTC', date_trunc('minute', i.listed_at))) / 60)::integer AS expected) AS l
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE coalesce(t.hourly, u.charted, u.proxy) IS NOT NULL)::integer AS known,
           count(*) FILTER (WHERE coalesce(t.hourly, u.charted, u.proxy) IS NULL)::integer AS unknown,
           count(*) FILTER (WHERE coalesce(t.hourly, u.charted) IS NOT NULL)::integer AS true_minutes,
           count(*) FILTER (WHERE coalesce(t.hourly, u.charted, u.proxy) <= 0
                               OR coalesce(t.hourly, u.charted, u.proxy) IN ('NaN', 'Infinity'))::integer AS not_positive
    FROM unnest(p.close, store.aligned(x.minutes, 0, p.first_minute, p.n)) WITH ORDINALITY AS u(proxy, charted, i)
    CROSS JOIN LATERAL (SELECT CASE WHEN mod(p.first_minute + u.i, 60) = 0 THEN x.hourly[(p.first_minute + u.i) / 60] END AS hourly) AS t
) AS m
WHERE x.day >= %(from)s AND x.day < %(to)s
ORDER BY x.index_name, x.day
