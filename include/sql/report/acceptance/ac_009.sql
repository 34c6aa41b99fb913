-- Whether the dated futures take at most 1.5 GB (10^9 bytes), versions that were replaced included: their share of the candles'
-- table by the size of their rows, with its indexes and TOAST. Where none is stored nothing was measured, and so nothing passes.
-- Grain: the criterion: passed, expected and found in a unit, observed. Reads only.
WITH futures AS (
    SELECT count(*) FILTER (WHERE future) AS days, count(DISTINCT instrument_id) FILTER (WHERE future) AS contracts,
           coalesce(round(pg_total_relation_size('store.candle_day') * sum(bytes) FILTER (WHERE future) / sum(bytes)), 0)::bigint AS bytes
    FROM (SELECT c.instrument_id, i.settlement_period <> 'perpetual' AS future,
                 pg_column_size(c.open) + pg_column_size(c.high) + pg_column_size(c.low) + pg_column_size(c.close)
                   + pg_column_size(c.volume) + pg_column_size(c.cost) AS bytes
          FROM store.candle_day c JOIN store.instrument i USING (instrument_id)) AS versions
)
SELECT days > 0 AND bytes <= 1500000000 AS passed, 'bytes' AS unit, 1500000000::bigint AS expected, bytes AS found,
       format('%s MB of the %s MB of store.candle_day, %s versions of days of %s contracts', round(bytes / 1e6, 1),
              round(pg_total_relation_size('store.candle_day') / 1e6, 1), days, contracts) AS observed
FROM futures
