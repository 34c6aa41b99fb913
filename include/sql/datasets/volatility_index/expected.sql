-- The hours of the volatility index that should exist, for the collected currencies that have one: from the first hour that may exist
-- on or, if the exchange begins within a week after it, from the first hour that it sent. Grain: currency. Reads only. Columns as in
-- candles/expected.sql.
SELECT 'volatility_index' AS kind, 'volatility_index' AS dataset, v.currency AS subject, v.currency AS instrument, NULL::text AS settlement_period,
       greatest(c.since, v.first_hour, CASE WHEN told.ts < v.first_hour + interval '7 days' THEN told.ts END) AS begins,
       date_trunc('month', now(), 'UTC') AS ends, 3600 AS seconds, true AS loadable, NULL::text AS fetched_as
FROM store.collected c JOIN store.volatility_currency v USING (currency)
CROSS JOIN LATERAL (SELECT min(x.ts) AS ts FROM store.volatility_index x WHERE x.currency = v.currency) AS told
