-- Every version of every instrument-day of the perpetuals and the dated futures. Grain: instrument, day, version. Reads only.
--   ts                NULL, because a version is a whole day
--   present, expected  minutes that are present, and minutes of the day that lie in the lifetime
SELECT CASE WHEN i.settlement_period = 'perpetual' THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset, i.label AS instrument, c.day,
       NULL::timestamptz AS ts, c.version_id, c.state, c.validation_id, c.present::integer AS present, c.n::integer AS expected
FROM store.candle_day c JOIN store.instrument i USING (instrument_id)
