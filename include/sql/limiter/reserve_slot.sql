-- Reserves the next free slot of a bucket; returns it and how many seconds away it is. Grain: a request. May run twice: that is
-- two requests. Parameters: bucket, most, window (seconds). A slot is free once the one `most` before it is `window` old, so that no
-- stretch of that length holds more than `most`; who was kept from asking catches up within it.
INSERT INTO store.rate_limit AS p (bucket, slots)
VALUES (%(bucket)s, ARRAY[clock_timestamp()])
ON CONFLICT (bucket) DO UPDATE
    SET slots = p.slots[cardinality(p.slots) - %(most)s + 2 :] || greatest(
            clock_timestamp(), p.slots[cardinality(p.slots)],
            p.slots[cardinality(p.slots) - %(most)s + 1] + make_interval(secs => %(window)s))
RETURNING slots[cardinality(slots)],
          greatest(extract(epoch FROM slots[cardinality(slots)] - clock_timestamp())::float8, 0)
