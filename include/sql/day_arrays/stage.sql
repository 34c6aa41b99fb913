-- The instrument-days of one window, before they meet what is stored: a temporary table of the session,
-- emptied at each commit. Grain: a day. May run twice: it is made once a connection.
-- Nothing is compressed here (EXTERNAL): compression is most of what a load costs, and a day that is only compared
-- with an equal one is spared it. A day that is stored is compressed on its way into store.candle_day, once.
CREATE TEMPORARY TABLE IF NOT EXISTS candle_day_stage (
    instrument_id integer, day date, first_minute smallint, n smallint, present smallint,
    duplicate smallint, misaligned smallint, out_of_order smallint, out_of_window smallint,
    open float8[] STORAGE EXTERNAL, high float8[] STORAGE EXTERNAL, low float8[] STORAGE EXTERNAL,
    close float8[] STORAGE EXTERNAL, volume float8[] STORAGE EXTERNAL, cost float8[] STORAGE EXTERNAL,
    fresh bit(1440), traded bit(1440), calculable boolean, turnover float8
) ON COMMIT DELETE ROWS
