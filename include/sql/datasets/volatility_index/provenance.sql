-- Every version of every hour of the volatility index. Grain: currency, hour, version. Reads only. Columns as in
-- candles/provenance.sql, in hours.
SELECT 'volatility_index' AS dataset, v.currency AS instrument, (v.ts AT TIME ZONE 'UTC')::date AS day, v.ts, v.version_id, v.state,
       v.validation_id, 1 AS present, 1 AS expected
FROM store.volatility_index v
