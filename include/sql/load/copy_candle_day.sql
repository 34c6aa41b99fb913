COPY candle_day_stage FROM STDIN (FORMAT binary)
