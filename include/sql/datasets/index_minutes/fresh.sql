-- Until when the true index was told by the minute. It is validated with the index it becomes part of, so this is what is stored;
-- what is not asked for within eight hours is gone for good. Grain: index. Reads only. Columns as of the candles' fresh.
SELECT 'index_minutes' AS dataset, x.index_name AS instrument, x.known_since AS begins, x.ends, x.known_since,
       n.until - interval '1 minute' AS newest, n.until, n.published_at,
       interval '1 minute' AS cadence, interval '5 hours' AS warning_after, interval '8 hours' AS error_after
FROM (SELECT p.index_name, max(p.ends) AS ends, min(i.first_seen_at) AS known_since
      FROM store.index_proxy p JOIN store.instrument i ON i.instrument_id = p.perpetual_id GROUP BY p.index_name) AS x
LEFT JOIN LATERAL (
    SELECT c.day::timestamp AT TIME ZONE 'UTC'
               + (SELECT max(u.place) FROM unnest(c.price) WITH ORDINALITY AS u(price, place) WHERE u.price IS NOT NULL) * interval '1 minute' AS until,
           (SELECT l.loaded_at FROM store.ingestion l WHERE l.version_id = c.version_id) AS published_at
    FROM store.index_chart_day c WHERE c.index_name = x.index_name ORDER BY c.day DESC LIMIT 1) AS n ON true
