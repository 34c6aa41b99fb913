-- What is waited for now. Grain: a thing that is waited for, longest first. Reads only.
SELECT awaited, min(since) AS since, max(next_at) AS next_at, count(*) AS tasks, (array_agg(cause ORDER BY asked_at DESC))[1] AS cause
FROM waiting GROUP BY awaited ORDER BY since
