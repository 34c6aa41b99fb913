-- Claims an unclaimed database for an exchange. Grain: the database. May run twice or beside itself: the first
-- one has it.
INSERT INTO store.origin (live_host, history_host) VALUES (%(live_host)s, %(history_host)s) ON CONFLICT (only_one) DO NOTHING
