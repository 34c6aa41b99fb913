-- Says that of before an hour one snapshot an hour is kept, and that the others are gone as of now. Grain: a stretch of time. May run twice. Parameters: dataset, before (a
-- full hour).
WITH earlier AS (
    DELETE FROM store.snapshot_beat WHERE dataset = %(dataset)s AND begins < %(before)s RETURNING *
)
INSERT INTO store.snapshot_beat (dataset, begins, ends, seconds, thinned_at)
SELECT dataset, date_trunc('hour', min(begins), 'UTC'), %(before)s, 3600, clock_timestamp() FROM earlier GROUP BY dataset
UNION ALL
SELECT dataset, %(before)s, ends, seconds, thinned_at FROM earlier WHERE ends > %(before)s
