-- The first hour the exchange has of a perpetual's funding. Grain: an instrument. May run twice: an earlier hour than the one known replaces it.
INSERT INTO store.funding_start AS s (instrument_id, first_hour) VALUES (%(instrument_id)s, %(first_hour)s)
ON CONFLICT (instrument_id) DO UPDATE SET first_hour = least(s.first_hour, excluded.first_hour), discovered_at = now()
WHERE excluded.first_hour < s.first_hour
