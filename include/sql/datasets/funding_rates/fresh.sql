-- Until when there is published funding of every perpetual; ts is the END of its hour. Grain: perpetual. Reads only. Columns as of
-- the candles' fresh.
SELECT 'funding_rates' AS dataset, l.label AS instrument,
       greatest(l.counts_from, s.first_hour - interval '1 hour') AS begins, l.funding_ends AS ends, i.first_seen_at AS known_since,
       n.ts AS newest, n.ts AS until, n.published_at,
       interval '1 month' AS cadence, interval '1 day' AS warning_after, interval '3 days' AS error_after
FROM store.collected_lifetime l JOIN store.instrument i USING (instrument_id)
LEFT JOIN store.funding_start s USING (instrument_id)
LEFT JOIN LATERAL (
    SELECT f.ts, (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = f.validation_id) AS published_at
    FROM store.funding_rate f WHERE f.instrument_id = l.instrument_id AND f.state = 'published' ORDER BY f.ts DESC LIMIT 1) AS n ON true
WHERE l.perpetual
