-- What is stored of the funding, by month: present are the hours that are published, or that wait or are held back with none
-- published. An hour that ends at midnight belongs to the day it ends. Grain: perpetual, month, and whether it is
-- published. Reads only.
SELECT 'funding_rates' AS kind, instrument_id::text AS subject, month, present, published AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT h.instrument_id, s.month, h.hours AS present, h.hours AS published
      FROM (SELECT m::date AS month, m AT TIME ZONE 'UTC' AS begins, (m + interval '1 month') AT TIME ZONE 'UTC' AS ends
            FROM (SELECT min(f.ts) AS first, max(f.ts) AS last FROM store.funding_rate f WHERE f.state = 'published') AS told
            CROSS JOIN LATERAL generate_series(date_trunc('month', told.first AT TIME ZONE 'UTC' - interval '1 microsecond'),
                                               told.last AT TIME ZONE 'UTC' - interval '1 microsecond', interval '1 month') AS m) AS s
      -- counting a month at a time spares naming the month of every hour; all perpetuals at once, for in the index their hours are mixed
      CROSS JOIN LATERAL (SELECT f.instrument_id, count(*) AS hours FROM store.funding_rate f
                          WHERE f.state = 'published' AND f.ts > s.begins AND f.ts <= s.ends GROUP BY f.instrument_id) AS h
      UNION ALL
      SELECT f.instrument_id, date_trunc('month', f.ts AT TIME ZONE 'UTC' - interval '1 microsecond')::date, count(*), 0
      FROM store.funding_rate f
      WHERE f.state IN ('pending', 'held') AND NOT EXISTS (
          SELECT FROM store.funding_rate n
          WHERE n.instrument_id = f.instrument_id AND n.ts = f.ts AND (n.state = 'published' OR n.version_id > f.version_id))
      GROUP BY 1, 2) AS months
