-- What is stored of the funding, by month: present are the hours that are published, or that wait or are held back with none
-- published. An hour that ends at midnight belongs to the day it ends. Grain: instrument, month, and whether it is
-- published. Reads only.
SELECT 'funding_rates' AS kind, instrument_id::text AS subject, month, present, published_days, published AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT instrument_id, date_trunc('month', day, 'UTC')::date AS month, sum(hours) AS present, count(*) AS published_days, sum(hours) AS published
      FROM (SELECT instrument_id, date_bin('1 day', ts - interval '1 microsecond', '2000-01-01 00:00+00') AS day, count(*) AS hours
            FROM store.funding_rate WHERE state = 'published' GROUP BY 1, 2) AS days
      GROUP BY 1, 2
      UNION ALL
      SELECT f.instrument_id, date_trunc('month', f.ts AT TIME ZONE 'UTC' - interval '1 microsecond')::date, count(*), 0, 0
      FROM store.funding_rate f
      WHERE f.state IN ('pending', 'held') AND NOT EXISTS (
          SELECT FROM store.funding_rate n
          WHERE n.instrument_id = f.instrument_id AND n.ts = f.ts AND (n.state = 'published' OR n.version_id > f.version_id))
      GROUP BY 1, 2) AS months
