-- Fills the stage with the rows of one window. Grain: a key. May run twice: the stage is the session's own and empty at each
-- commit.
COPY {stage} ({sent}) FROM STDIN
