-- What is stored of the volatility index, by month: present are the hours that are published, or that wait or are held back
-- with none published. Grain: currency, month, and whether it is published. Reads only.
SELECT 'volatility_index' AS kind, currency AS subject, month, present, published_days, published AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT currency, date_trunc('month', day, 'UTC')::date AS month, sum(hours) AS present, count(*) AS published_days, sum(hours) AS published
      FROM (SELECT currency, date_bin('1 day', ts, '2000-01-01 00:00+00') AS day, count(*) AS hours
            FROM store.volatility_index WHERE state = 'published' GROUP BY 1, 2) AS days
      GROUP BY 1, 2
      UNION ALL
      SELECT v.currency, date_trunc('month', v.ts, 'UTC')::date, count(*), 0, 0
      FROM store.volatility_index v
      WHERE v.state IN ('pending', 'held') AND NOT EXISTS (
          SELECT FROM store.volatility_index n
          WHERE n.currency = v.currency AND n.ts = v.ts AND (n.state = 'published' OR n.version_id > v.version_id))
      GROUP BY 1, 2) AS months
