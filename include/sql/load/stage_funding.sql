-- The hours of one window, as stage_candle_day. Grain: an hour. May run twice.
CREATE TEMPORARY TABLE IF NOT EXISTS funding_stage (
    instrument_id integer, ts timestamptz, interest_1h float8, interest_8h float8, index_price float8, prev_index_price float8,
    duplicate boolean
) ON COMMIT DELETE ROWS
