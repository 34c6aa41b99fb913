COPY funding_stage FROM STDIN
