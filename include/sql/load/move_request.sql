-- Moves a reserved moment that was missed to the present and returns the present; no row when the moment is no longer kept.
-- Parameters: bucket, moment. Moments given away after it stay as they are: fewer than a window's worth, for the one `most` after it
-- is only reserved when it is forgotten, so no window holds more than before.
UPDATE store.pace AS p
SET moments = ARRAY(SELECT m FROM unnest(array_replace(p.moments, %(moment)s, now.moment)) AS m ORDER BY m)
FROM (SELECT clock_timestamp() AS moment) AS now
WHERE p.bucket = %(bucket)s AND %(moment)s = ANY (p.moments)
RETURNING now.moment
