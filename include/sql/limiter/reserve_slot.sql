-- Reserves the next free slot of a bucket; returns it and how many seconds away it is. Grain: a request. May run twice: that is
-- two requests. Parameters: bucket, most, window (seconds) and rush_most, rush_window, rush_from, rush_to (store.next_slot). No stretch
-- of `window` holds more than `most`, but for the rush; who was kept from asking catches up within it.
INSERT INTO store.rate_limit AS p (bucket, slots)
VALUES (%(bucket)s, ARRAY[store.next_slot('{}', clock_timestamp(), %(most)s::integer, %(window)s, %(rush_most)s::integer, %(rush_window)s, %(rush_from)s, %(rush_to)s)])
ON CONFLICT (bucket) DO UPDATE
    SET slots = p.slots[cardinality(p.slots) - greatest(%(most)s::integer, %(rush_most)s::integer) + 2 :]
                || store.next_slot(p.slots, clock_timestamp(), %(most)s::integer, %(window)s, %(rush_most)s::integer, %(rush_window)s, %(rush_from)s, %(rush_to)s)
RETURNING slots[cardinality(slots)],
          greatest(extract(epoch FROM slots[cardinality(slots)] - clock_timestamp())::float8, 0)
