-- Fills the stage with the hours of one window. Grain: instrument, hour end. May run twice, as copy_candle_day.
COPY funding_stage FROM STDIN
