-- When each currency's futures were last read in full: by the oldest of its three answers, for a future that has expired
-- may be told by one host only. Grain: a currency. Reads only.
SELECT currency, min(read_at) AS read_at FROM store.catalogue_reading
WHERE kind = 'future' AND currency = ANY(%(currencies)s)
GROUP BY currency HAVING count(*) = 3
