-- Says that a currency and kind were read in full, and when. Grain: currency, kind. May run twice.
INSERT INTO store.catalogue_reading AS r (currency, kind, instruments, run_id)
VALUES (%(currency)s, %(kind)s, %(instruments)s, %(run_id)s)
ON CONFLICT (currency, kind) DO UPDATE SET read_at = now(), instruments = excluded.instruments, run_id = excluded.run_id
