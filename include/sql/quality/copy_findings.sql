-- Adds what a validation found. Grain: a finding. May run twice: each time for a validation of its own.
COPY store.quarantine (validation_id, dataset, subject, day, ts, rule, severity, observed, waived_reason) FROM STDIN
