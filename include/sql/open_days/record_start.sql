-- Records that a start is going to let live run, and when it began; or that none is. Grain: one row. May run twice: the last start
-- counts. Parameters: wanted.
WITH unwanted AS (
    DELETE FROM store.live_start WHERE NOT %(wanted)s::boolean
)
INSERT INTO store.live_start (since) SELECT now() WHERE %(wanted)s::boolean
ON CONFLICT (only_one) DO UPDATE SET since = excluded.since
