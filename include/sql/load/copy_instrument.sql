-- Fills the stage with one reading of the catalogue. Grain: instrument. May run twice, as copy_candle_day.
COPY instrument_stage FROM STDIN
