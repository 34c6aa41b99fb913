-- Fills the stage with the days of one window, in COPY's binary format. Grain: instrument-day. May run twice: the
-- stage is the session's own and empty at each commit.
COPY candle_day_stage FROM STDIN (FORMAT binary)
