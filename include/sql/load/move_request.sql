-- Moves a reserved moment that was missed to the present and returns the present; no row when the moment is no longer kept.
-- Grain: a request. May run twice: the second finds nothing to move. Parameters: bucket, moment. Fewer than a window's moments were
-- given away after it, for the one `most` after it is reserved when it is forgotten: so no window holds more than before.
UPDATE store.pace AS p
SET moments = ARRAY(SELECT m FROM unnest(array_replace(p.moments, %(moment)s, now.moment)) AS m ORDER BY m)
FROM (SELECT clock_timestamp() AS moment) AS now
WHERE p.bucket = %(bucket)s AND %(moment)s = ANY (p.moments)
RETURNING now.moment
