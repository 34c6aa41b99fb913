-- What there should be of the volatility index: the hours of the collected currencies that have one, from the first there may
-- be on, or from the first that was told, where that is one of the first. Grain: currency. Reads only. Columns as of the
-- candles' expected.
SELECT 'volatility_index' AS kind, 'volatility_index' AS dataset, v.currency AS subject, v.currency AS instrument, NULL::text AS settlement_period,
       greatest(c.since, v.first_hour, CASE WHEN told.ts < v.first_hour + interval '7 days' THEN told.ts END) AS begins,
       date_trunc('month', now(), 'UTC') AS ends, 3600 AS seconds, true AS loadable
FROM store.collected c JOIN store.volatility_currency v USING (currency)
CROSS JOIN LATERAL (SELECT min(x.ts) AS ts FROM store.volatility_index x WHERE x.currency = v.currency) AS told
