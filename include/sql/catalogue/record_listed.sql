-- Records which perpetuals the live host lists in a currency. Grain: currency, perpetual. May run twice. Called in the transaction that
-- records the reading (record_reading.sql), so that both have the same time. Parameters: currency, instruments (text[]).
INSERT INTO store.listed_perpetual AS p (currency, instrument, read_at)
SELECT DISTINCT %(currency)s, u.instrument, now() FROM unnest(%(instruments)s::text[]) AS u(instrument)
ON CONFLICT (currency, instrument) DO UPDATE SET read_at = excluded.read_at
