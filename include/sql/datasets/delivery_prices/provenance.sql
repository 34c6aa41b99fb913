-- Every version of every delivery price. Grain: index, day, version. Reads only. Columns as of the candles' provenance, in days.
SELECT 'delivery_prices' AS dataset, p.index_name AS instrument, p.day, NULL::timestamptz AS ts, p.version_id, p.state, p.validation_id,
       1 AS present, 1 AS expected
FROM store.delivery_price p
