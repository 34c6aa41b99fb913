-- The request limiter every process on every machine shares: when the next request of a bucket may go out.
-- Nothing is lost when it is: unlogged, and small enough to be updated in place.
CREATE UNLOGGED TABLE store.pace (
    bucket  text PRIMARY KEY,
    next_at timestamptz NOT NULL
) WITH (fillfactor = 10);
