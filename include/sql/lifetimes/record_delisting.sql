-- Keeps the end that was found of a perpetual. Grain: an instrument. May run twice: the same end writes nothing.
INSERT INTO store.delisting AS e (instrument_id, ends_at, last_hour, reason)
VALUES (%(instrument_id)s, %(ends_at)s, %(last_hour)s, %(reason)s)
ON CONFLICT (instrument_id) DO UPDATE SET
    ends_at = excluded.ends_at, last_hour = excluded.last_hour, reason = excluded.reason, found_at = now()
WHERE (e.ends_at, e.last_hour) IS DISTINCT FROM (excluded.ends_at, excluded.last_hour)
