-- Until when there are published delivery prices of every index: that of 08:00 UTC is followed by the next day's. Grain: index.
-- Reads only. Columns as of the candles' fresh.
SELECT 'delivery_prices' AS dataset, x.index_name AS instrument, x.begins, x.ends, x.known_since,
       n.ts AS newest, n.ts + interval '1 day' AS until, n.published_at,
       interval '1 month' AS cadence, interval '1 day' AS warning_after, interval '3 days' AS error_after
FROM (SELECT l.price_index AS index_name, greatest(min(l.counts_from), timestamptz '2019-07-26 00:00+00') AS begins, max(l.ends) AS ends,
             min(i.first_seen_at) AS known_since
      FROM store.collected_lifetime l JOIN store.instrument i USING (instrument_id)
      WHERE l.price_index IS NOT NULL GROUP BY l.price_index) AS x
LEFT JOIN LATERAL (
    SELECT (p.day + time '08:00') AT TIME ZONE 'UTC' AS ts,
           (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = p.validation_id) AS published_at
    FROM store.delivery_price p WHERE p.index_name = x.index_name AND p.state = 'published' ORDER BY p.day DESC LIMIT 1) AS n ON true
