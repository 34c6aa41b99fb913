-- Fills the stage with one reading of the catalogue. Grain: instrument. May run twice: the
-- stage is the session's own and empty at each commit.
COPY instrument_stage FROM STDIN
