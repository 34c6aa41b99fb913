COPY store.quarantine (validation_id, dataset, subject, day, ts, rule, severity, observed, waived_reason) FROM STDIN
