-- What is stored of the basis, by month. Grain: future, month, and whether it is published. Reads only.
SELECT 'basis_spread' AS kind, instrument_id::text AS subject, month, present, published AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT instrument_id, date_trunc('month', day::timestamp)::date AS month, sum(minutes) AS present, sum(minutes) AS published
      FROM store.basis_day WHERE state = 'published' GROUP BY 1, 2
      UNION ALL
      SELECT b.instrument_id, date_trunc('month', b.day::timestamp)::date, sum(b.minutes), 0
      FROM store.basis_day b
      WHERE b.state IN ('pending', 'held') AND NOT EXISTS (
          SELECT FROM store.basis_day n
          WHERE n.instrument_id = b.instrument_id AND n.day = b.day AND (n.state = 'published' OR n.version_id > b.version_id))
      GROUP BY 1, 2) AS months
