-- The request limiter every process on every machine shares: the newest moments given away in a bucket, oldest first.
-- Nothing is lost when they are, but that a start without them may hold one window's requests too many, once. Unlogged,
-- and small enough to be updated in place.
CREATE UNLOGGED TABLE store.pace (
    bucket  text PRIMARY KEY,
    moments timestamptz[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 10);
