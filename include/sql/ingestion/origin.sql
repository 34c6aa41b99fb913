-- The exchange this database holds data of. Grain: the database. Reads only. A statement of its own: the one that
-- claims can't see a claim that was made beside it.
SELECT live_host, history_host FROM store.origin
