-- Keeps the end that was found of a perpetual. Grain: an instrument. May run twice: the same end writes nothing.
INSERT INTO store.instrument_end AS e (instrument_id, ends_at, reason) VALUES (%(instrument_id)s, %(ends_at)s, %(reason)s)
ON CONFLICT (instrument_id) DO UPDATE SET ends_at = excluded.ends_at, reason = excluded.reason, found_at = now()
WHERE e.ends_at <> excluded.ends_at
