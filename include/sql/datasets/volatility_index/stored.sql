-- The stored hours of the volatility index by month. present counts the hours that are published, and those that are pending or
-- held back and have no published version. Grain: currency, month, and whether it is published. Reads only.
SELECT 'volatility_index' AS kind, currency AS subject, month, present, published AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT s.currency, s.month, h.hours AS present, h.hours AS published
      FROM (SELECT c.currency, m::date AS month, m AT TIME ZONE 'UTC' AS begins, (m + interval '1 month') AT TIME ZONE 'UTC' AS ends
            FROM store.volatility_currency c
            CROSS JOIN LATERAL (SELECT min(v.ts) AS first, max(v.ts) AS last FROM store.volatility_index v
                                WHERE v.currency = c.currency) AS told
            CROSS JOIN LATERAL generate_series(date_trunc('month', told.first, 'UTC') AT TIME ZONE 'UTC', told.last AT TIME ZONE 'UTC',
                                               interval '1 month') AS m) AS s
      -- counting a month at a time spares naming the month of every hour
      CROSS JOIN LATERAL (SELECT count(*) AS hours FROM store.volatility_index v
                          WHERE v.state = 'published' AND v.currency = s.currency AND v.ts >= s.begins AND v.ts < s.ends) AS h
      UNION ALL
      SELECT v.currency, date_trunc('month', v.ts, 'UTC')::date, count(*), 0
      FROM store.volatility_index v
      WHERE v.state IN ('pending', 'held') AND NOT EXISTS (
          SELECT FROM store.volatility_index n
          WHERE n.currency = v.currency AND n.ts = v.ts AND (n.state = 'published' OR n.version_id > v.version_id))
      GROUP BY 1, 2) AS months
