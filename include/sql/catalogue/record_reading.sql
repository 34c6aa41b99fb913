-- Records that a list of the catalogue was read, and when; that it was refused before is forgotten. Grain: currency, kind, host, expired.
-- May run twice.
WITH heard AS (
    DELETE FROM store.refused_list
    WHERE currency = %(currency)s AND kind = %(kind)s AND host = %(host)s AND expired = %(expired)s
)
INSERT INTO store.catalogue_reading AS r (currency, kind, host, expired, instruments, run_id)
VALUES (%(currency)s, %(kind)s, %(host)s, %(expired)s, %(instruments)s, %(run_id)s)
ON CONFLICT (currency, kind, host, expired) DO UPDATE
    SET read_at = now(), instruments = excluded.instruments, run_id = excluded.run_id
