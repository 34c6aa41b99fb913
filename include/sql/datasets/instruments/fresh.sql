-- When the catalogue of every collected currency was last read: the oldest of the answers it is made of. It is read daily, by a run
-- that may wait for the exchange. Grain: currency. Reads only. Columns as of the candles' fresh.
SELECT 'instruments' AS dataset, c.currency AS instrument, k.known_since AS begins, timestamptz 'infinity' AS ends, k.known_since,
       n.read_at AS newest, n.read_at AS until, n.read_at AS published_at,
       interval '1 day' AS cadence, interval '6 hours' AS warning_after, interval '1 day' AS error_after
FROM store.collected c JOIN store.currency_known k USING (currency)
CROSS JOIN LATERAL (SELECT min(r.read_at) AS read_at FROM store.catalogue_reading r WHERE r.currency = c.currency AND r.kind = 'future') AS n
