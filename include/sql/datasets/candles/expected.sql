-- What there should be of the perpetuals and the dated futures: their lifetimes. Grain: instrument. Reads only.
--   kind       joins it with what is stored (the dataset's stored.sql), with subject
--   begins, ends, seconds  the stretch of time, and how long what is counted is (a minute; funding: an hour)
--   loadable   a run of the dataset brings it
SELECT 'candles' AS kind, CASE WHEN perpetual THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset, instrument_id::text AS subject,
       label AS instrument, settlement_period, counts_from AS begins, counts_to AS ends, 60 AS seconds, true AS loadable
FROM store.collected_lifetime
