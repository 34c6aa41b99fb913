-- Until when there is published funding of every perpetual; ts is the END of its hour. It is due as history comes; and where live has
-- brought an hour of the days that it collects, by the hour, too: its run is two minutes after, and waits up to forty for the exchange.
-- Grain: dataset, perpetual. Reads only. Columns as of the candles' fresh.
SELECT t.dataset, l.label AS instrument,
       greatest(l.counts_from, s.first_hour - interval '1 hour') AS begins, l.funding_ends AS ends, i.first_seen_at AS known_since,
       n.ts AS newest, n.ts AS until, n.published_at, t.cadence, t.warning_after, t.error_after
FROM store.collected_lifetime l JOIN store.instrument i USING (instrument_id)
LEFT JOIN store.funding_start s USING (instrument_id)
LEFT JOIN LATERAL (
    SELECT f.ts, (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = f.validation_id) AS published_at
    FROM store.funding_rate f WHERE f.instrument_id = l.instrument_id AND f.state = 'published' ORDER BY f.ts DESC LIMIT 1) AS n ON true
LEFT JOIN store.fetched a ON a.instrument_id = l.instrument_id AND a.what = 'open candles'
CROSS JOIN LATERAL (
    SELECT 'funding_rates' AS dataset, interval '1 month' AS cadence, interval '1 day' AS warning_after, interval '3 days' AS error_after
    UNION ALL
    SELECT 'funding_live', interval '1 hour', interval '30 minutes', interval '2 hours' WHERE n.ts > lower(a.windows)) AS t
WHERE l.perpetual
