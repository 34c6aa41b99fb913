-- Records that a list of the catalogue was refused, or can't be read. Grain: currency, kind, host, expired. May run twice: the last
-- cause counts.
INSERT INTO store.refused_list AS r (currency, kind, host, expired, cause)
VALUES (%(currency)s, %(kind)s, %(host)s, %(expired)s, %(cause)s)
ON CONFLICT (currency, kind, host, expired) DO UPDATE SET refused_at = now(), cause = excluded.cause
