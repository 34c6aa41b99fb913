-- Every version of every day of an index; it names the versions it was computed from (store.index_day). Grain: index, day,
-- version. Reads only. Columns as of the candles' provenance.
SELECT 'index_prices' AS dataset, x.index_name AS instrument, x.day, NULL::timestamptz AS ts, x.version_id, x.state, x.validation_id,
       coalesce(p.present, cardinality(array_remove(x.hourly, NULL)))::integer AS present, coalesce(p.n, 1440)::integer AS expected
FROM store.index_day x
LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
