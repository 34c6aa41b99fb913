-- The stored minutes of the perpetuals and the dated futures by month. present counts those of the newest version of each day.
-- Grain: instrument, month, and whether it is published. Reads only.
SELECT 'candles' AS kind, instrument_id::text AS subject, month, present, published AS published_minutes, unreferenced_days
FROM (SELECT instrument_id, date_trunc('month', day::timestamp)::date AS month, sum(present) AS present,
             sum(present) AS published, count(*) FILTER (WHERE reference = 'none') AS unreferenced_days
      FROM store.candle_day WHERE state = 'published' GROUP BY 1, 2
      UNION ALL
      -- of a version that is not published, and the newest there is, what it has more than the published one
      SELECT c.instrument_id, date_trunc('month', c.day::timestamp)::date, sum(c.present - coalesce(p.present, 0)), 0, 0
      FROM store.candle_day c
      LEFT JOIN store.candle_day p ON p.instrument_id = c.instrument_id AND p.day = c.day AND p.state = 'published'
      WHERE c.state IN ('pending', 'held') AND NOT EXISTS (
          SELECT FROM store.candle_day n WHERE n.instrument_id = c.instrument_id AND n.day = c.day AND n.version_id > c.version_id)
      GROUP BY 1, 2) AS months
