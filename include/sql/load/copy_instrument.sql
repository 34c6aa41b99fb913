COPY instrument_stage FROM STDIN
