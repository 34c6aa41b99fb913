-- Moves a reserved slot that was missed to the present and returns the present; no row when the slot is no longer kept, or when the rush
-- has begun or ended since. Grain: a request. May run twice: the second finds nothing to move. Parameters: bucket, slot, rush_from,
-- rush_to. Fewer than a window's slots were given away after it, for the one `most` after it is reserved when it is forgotten: so no
-- window holds more than before.
UPDATE store.rate_limit AS p
SET slots = ARRAY(SELECT m FROM unnest(array_replace(p.slots, %(slot)s, now.slot)) AS m ORDER BY m)
FROM (SELECT clock_timestamp() AS slot) AS now
WHERE p.bucket = %(bucket)s AND %(slot)s = ANY (p.slots)
  AND (store.left_of_rush(%(slot)s, %(rush_from)s, %(rush_to)s) > 0) = (store.left_of_rush(now.slot, %(rush_from)s, %(rush_to)s) > 0)
RETURNING now.slot
