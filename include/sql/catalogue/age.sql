-- When each currency's futures were last read in full: the time of the oldest of its three lists, because an expired future may be
-- in only one of them. Grain: a currency. Reads only.
SELECT currency, min(read_at) AS read_at FROM store.catalogue_reading
WHERE kind = 'future' AND currency = ANY(%(currencies)s)
GROUP BY currency HAVING count(*) = 3
