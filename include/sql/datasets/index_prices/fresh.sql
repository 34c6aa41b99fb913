-- Until when every index is published. It is computed within minutes of its inputs, and may take an hour more than they: by the day
-- where live has brought minutes of a perpetual of the index. Grain: index. Reads only. Columns as of the candles' fresh.
SELECT 'index_prices' AS dataset, x.index_name AS instrument, x.begins, x.ends, greatest(x.known_since, o.loaded_at) AS known_since,
       n.until - interval '1 minute' AS newest, coalesce(o.ts, n.until) AS until, n.published_at,
       CASE WHEN o.ts IS NULL THEN interval '1 month' ELSE interval '1 day' END AS cadence,
       CASE WHEN o.ts IS NULL THEN interval '1 day 1 hour' ELSE interval '4 hours' END AS warning_after,
       CASE WHEN o.ts IS NULL THEN interval '3 days 1 hour' ELSE interval '1 day 4 hours' END AS error_after
FROM (SELECT p.index_name, min(l.counts_from) AS begins, max(l.ends) AS ends, min(i.first_seen_at) AS known_since,
             array_agg(p.perpetual_id) AS perpetuals
      FROM store.index_proxy p JOIN store.collected_lifetime l ON l.instrument_id = p.perpetual_id
      JOIN store.instrument i ON i.instrument_id = p.perpetual_id GROUP BY p.index_name) AS x
LEFT JOIN LATERAL (
    SELECT d.day, least((d.day + 1)::timestamp AT TIME ZONE 'UTC', x.ends) AS until,
           (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = d.validation_id) AS published_at
    FROM store.index_day d WHERE d.index_name = x.index_name AND d.state = 'published' ORDER BY d.day DESC LIMIT 1) AS n ON true
LEFT JOIN LATERAL (
    SELECT m.ts, m.loaded_at
    FROM unnest(x.perpetuals) AS p(perpetual_id)
    CROSS JOIN LATERAL store.first_open_minute(p.perpetual_id, coalesce((n.day + 1)::timestamp AT TIME ZONE 'UTC', x.begins)) AS m
    ORDER BY m.ts LIMIT 1) AS o ON true
