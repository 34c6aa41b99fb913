-- Until when there is published funding of every perpetual; ts is the END of its hour. Where live has brought an hour of the days that it
-- collects it is due by the hour (its run is two minutes after, and waits up to forty for the exchange), else as history comes.
-- Grain: perpetual. Reads only. Columns as of the candles' fresh.
SELECT 'funding_rates' AS dataset, l.label AS instrument,
       greatest(l.counts_from, s.first_hour - interval '1 hour') AS begins, l.funding_ends AS ends, i.first_seen_at AS known_since,
       n.ts AS newest, n.ts AS until, n.published_at,
       CASE WHEN live.is_on THEN interval '1 hour' ELSE interval '1 month' END AS cadence,
       CASE WHEN live.is_on THEN interval '30 minutes' ELSE interval '1 day' END AS warning_after,
       CASE WHEN live.is_on THEN interval '2 hours' ELSE interval '3 days' END AS error_after
FROM store.collected_lifetime l JOIN store.instrument i USING (instrument_id)
LEFT JOIN store.funding_start s USING (instrument_id)
LEFT JOIN LATERAL (
    SELECT f.ts, (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = f.validation_id) AS published_at
    FROM store.funding_rate f WHERE f.instrument_id = l.instrument_id AND f.state = 'published' ORDER BY f.ts DESC LIMIT 1) AS n ON true
LEFT JOIN store.fetched a ON a.instrument_id = l.instrument_id AND a.what = 'open candles'
CROSS JOIN LATERAL (SELECT coalesce(n.ts > lower(a.windows), false) AS is_on) AS live
WHERE l.perpetual
