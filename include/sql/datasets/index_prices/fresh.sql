-- Until when every index is published. It is computed within minutes of its inputs, and may take an hour more than they. Grain: index.
-- Reads only. Columns as of the candles' fresh.
SELECT 'index_prices' AS dataset, x.index_name AS instrument, x.begins, x.ends, x.known_since,
       n.until - interval '1 minute' AS newest, n.until, n.published_at,
       interval '1 month' AS cadence, interval '1 day 1 hour' AS warning_after, interval '3 days 1 hour' AS error_after
FROM (SELECT p.index_name, min(l.counts_from) AS begins, max(l.ends) AS ends, min(i.first_seen_at) AS known_since
      FROM store.index_proxy p JOIN store.collected_lifetime l ON l.instrument_id = p.perpetual_id
      JOIN store.instrument i ON i.instrument_id = p.perpetual_id GROUP BY p.index_name) AS x
LEFT JOIN LATERAL (
    SELECT least((d.day + 1)::timestamp AT TIME ZONE 'UTC', x.ends) AS until,
           (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = d.validation_id) AS published_at
    FROM store.index_day d WHERE d.index_name = x.index_name AND d.state = 'published' ORDER BY d.day DESC LIMIT 1) AS n ON true
