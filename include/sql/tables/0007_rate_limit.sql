-- The request limiter every process on every machine shares: the newest slots given away in a bucket, oldest first.
-- Nothing is lost when they are, but that a start without them may hold one window's requests too many, once. Unlogged,
-- and small enough to be updated in place.
CREATE UNLOGGED TABLE store.rate_limit (
    bucket  text PRIMARY KEY,
    slots timestamptz[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 10);
