-- The exchange this database belongs to; the first one to load claims it.
WITH claimed AS (
    INSERT INTO store.origin (live_host, history_host) VALUES (%(live_host)s, %(history_host)s)
    ON CONFLICT (only_one) DO NOTHING RETURNING live_host, history_host)
SELECT live_host, history_host FROM claimed UNION ALL SELECT live_host, history_host FROM store.origin LIMIT 1
