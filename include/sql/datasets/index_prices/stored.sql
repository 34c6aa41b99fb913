-- What is stored of the index, by month. Grain: perpetual, month. Reads only.
SELECT 'index_prices' AS kind, perpetual_id::text AS subject, month, present, published AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT x.perpetual_id, date_trunc('month', x.day::timestamp)::date AS month, sum(m.known) AS present,
             coalesce(sum(m.known) FILTER (WHERE x.state = 'published'), 0) AS published
      FROM store.index_day x
      LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
      CROSS JOIN LATERAL (SELECT coalesce(p.present, cardinality(array_remove(x.hourly, NULL))) AS known) AS m
      WHERE x.state = 'published' OR x.state IN ('pending', 'held') AND NOT EXISTS (
          SELECT FROM store.index_day n WHERE n.index_name = x.index_name AND n.day = x.day AND (n.state = 'published' OR n.version_id > x.version_id))
      GROUP BY 1, 2) AS months
