-- The candles of perpetuals and dated futures that should exist: those of their lifetimes. Grain: instrument. Reads only.
--   kind, subject  join a row with what is stored (the dataset's stored.sql)
--   begins, ends, seconds  the span of time, and the length of the unit that is counted (a minute; funding: an hour)
--   loadable   a run of the dataset can load it
--   fetched_as  what store.fetched calls the question, where it is recorded what the exchange has answered for (the subject is an
--              instrument then); else NULL
SELECT 'candles' AS kind, CASE WHEN perpetual THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset, instrument_id::text AS subject,
       label AS instrument, settlement_period, counts_from AS begins, counts_to AS ends, 60 AS seconds, true AS loadable,
       'candles' AS fetched_as
FROM store.collected_lifetime
