-- Keeps the exchange's own sum of a window of funding. Grain: instrument, window. May run twice: the last word counts.
-- Parameters: instrument_id, begins, ends, value.
INSERT INTO store.funding_checksum AS c (instrument_id, begins, ends, value)
VALUES (%(instrument_id)s, %(begins)s, %(ends)s, %(value)s)
ON CONFLICT (instrument_id, begins, ends) DO UPDATE SET value = excluded.value, asked_at = now() WHERE c.value <> excluded.value
