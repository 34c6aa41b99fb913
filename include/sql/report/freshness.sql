-- How fresh each dataset is: what it has of instruments (indexes, currencies, series) that have not ended, by state, the state of
-- the worst, its newest and its oldest row, and the three that are longest behind. Grain: dataset. Reads only.
SELECT dataset,
       CASE WHEN count(*) FILTER (WHERE state = 'stale') > 0 THEN 'stale'
            WHEN count(*) FILTER (WHERE state = 'late') > 0 THEN 'late'
            WHEN count(*) FILTER (WHERE state = 'none yet') = count(*) THEN 'none yet'
            ELSE 'fresh' END AS state,
       count(*) AS instruments, count(*) FILTER (WHERE state = 'late') AS late, count(*) FILTER (WHERE state = 'stale') AS stale,
       count(*) FILTER (WHERE state = 'none yet') AS none_yet,
       max(newest) AS newest, min(newest) AS oldest, max(published_at) AS published_at,
       (array_agg(instrument ORDER BY due_at, instrument) FILTER (WHERE state IN ('late', 'stale')))[1:3] AS behind
FROM store.freshness WHERE ends > now()
GROUP BY dataset
ORDER BY dataset
