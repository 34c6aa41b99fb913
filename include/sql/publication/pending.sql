-- The months with versions that wait to be validated, or with versions at all when they are asked for again. What a
-- validation has blocked waits for somebody to ask for it. Grain: month. Reads only. Parameters: from, to (dates or NULL:
-- everything), again (boolean).
SELECT date_trunc('month', day)::date AS month, min(day) AS first_day, max(day) AS last_day, count(*) AS days
FROM {table}
WHERE day >= coalesce(%(from)s::date, '-infinity') AND day < coalesce(%(to)s::date, 'infinity')
  AND (state = 'pending' AND validation_id IS NULL OR %(again)s AND state IN ('pending', 'published', 'held'))
GROUP BY 1 ORDER BY 1
