-- Reserves the next free moment of a bucket and says how many seconds away it is. Grain: a request. May run twice: that is two
-- requests. Requests
-- of all processes and machines are spaced evenly; an idle bucket saves up nothing, so no second ever
-- holds more than the rate.
INSERT INTO store.pace AS p (bucket, next_at)
VALUES (%(bucket)s, clock_timestamp() + make_interval(secs => %(spacing)s))
ON CONFLICT (bucket) DO UPDATE
    SET next_at = greatest(p.next_at, clock_timestamp()) + make_interval(secs => %(spacing)s)
RETURNING greatest(extract(epoch FROM next_at - clock_timestamp())::float8 - %(spacing)s, 0)
