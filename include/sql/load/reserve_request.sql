-- Reserves the next free moment of a bucket; returns it and how many seconds away it is. Grain: a request. May run twice: that is
-- two requests. Parameters: bucket, most, window (seconds). A moment is free once the one `most` before it is `window` old, so that no
-- stretch of that length holds more than `most`; who was kept from asking catches up within it.
INSERT INTO store.pace AS p (bucket, moments)
VALUES (%(bucket)s, ARRAY[clock_timestamp()])
ON CONFLICT (bucket) DO UPDATE
    SET moments = p.moments[cardinality(p.moments) - %(most)s + 2 :] || greatest(
            clock_timestamp(), p.moments[cardinality(p.moments)],
            p.moments[cardinality(p.moments) - %(most)s + 1] + make_interval(secs => %(window)s))
RETURNING moments[cardinality(moments)],
          greatest(extract(epoch FROM moments[cardinality(moments)] - clock_timestamp())::float8, 0)
