-- Until when the volatility index of every currency that has one is published; ts is the START of its hour. Grain: currency. Reads
-- only. Columns as of the candles' fresh.
SELECT 'volatility_index' AS dataset, c.currency AS instrument,
       greatest(c.since, v.first_hour) AS begins, timestamptz 'infinity' AS ends, k.known_since,
       n.ts AS newest, n.ts + interval '1 hour' AS until, n.published_at,
       interval '1 month' AS cadence, interval '1 day' AS warning_after, interval '3 days' AS error_after
FROM store.collected c JOIN store.volatility_currency v USING (currency) JOIN store.currency_known k USING (currency)
LEFT JOIN LATERAL (
    SELECT x.ts, (SELECT w.validated_at FROM store.validation w WHERE w.validation_id = x.validation_id) AS published_at
    FROM store.volatility_index x WHERE x.currency = c.currency AND x.state = 'published' ORDER BY x.ts DESC LIMIT 1) AS n ON true
