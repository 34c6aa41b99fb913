-- What this database is: whose data, since when, from when on it is collected, how large, and the moment. Grain: the database.
-- Reads only.
SELECT now() AS made_at, o.live_host, o.history_host, c.currencies, c.since AS collected_from, pg_database_size(current_database()) AS bytes,
       (SELECT max(read_at) FROM store.catalogue_reading) AS catalogue_read_at
FROM (SELECT string_agg(currency, ', ' ORDER BY currency) AS currencies, min(since) AS since FROM store.collected) AS c
LEFT JOIN store.origin o ON true
