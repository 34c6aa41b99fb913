-- The instrument-days of one window, before they meet what is stored: a temporary table of the session,
-- emptied at each commit. Grain: a day. May run twice: it is made once a connection.
CREATE TEMPORARY TABLE IF NOT EXISTS candle_day_stage (
    instrument_id integer, day date, first_minute smallint, n smallint, present smallint,
    doubled smallint, misaligned smallint, disordered smallint, outside smallint,
    open float8[], high float8[], low float8[], close float8[], volume float8[], cost float8[]
) ON COMMIT DELETE ROWS
