-- What is stored of the settlements, by month: present are the days of which one is published, or waits or is held back with none
-- published. Grain: instrument, month, and whether it is published. Reads only.
SELECT 'settlements' AS kind, s.instrument_id::text AS subject, s.month, d.days AS present, d.days AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT l.instrument_id, m::date AS month, (m + interval '1 month')::date AS past
      FROM store.instrument l
      CROSS JOIN LATERAL (SELECT min(x.day) AS first, max(x.day) AS last FROM store.settlement x
                          WHERE x.instrument_id = l.instrument_id AND x.state = 'published') AS told
      CROSS JOIN LATERAL generate_series(date_trunc('month', told.first::timestamp), told.last::timestamp, interval '1 month') AS m
      WHERE l.kind = 'future') AS s
-- counting a month at a time takes the days in the order of the index; telling them apart all at once hashes every one
CROSS JOIN LATERAL (SELECT count(DISTINCT x.day) AS days FROM store.settlement x
                    WHERE x.state = 'published' AND x.instrument_id = s.instrument_id AND x.day >= s.month AND x.day < s.past) AS d
WHERE d.days > 0
UNION ALL
SELECT 'settlements', s.instrument_id::text, date_trunc('month', s.day::timestamp)::date, count(DISTINCT s.day), 0, 0
FROM store.settlement s
WHERE s.state IN ('pending', 'held') AND NOT EXISTS (
    SELECT FROM store.settlement n WHERE n.instrument_id = s.instrument_id AND n.day = s.day AND n.state = 'published')
GROUP BY 1, 2, 3
