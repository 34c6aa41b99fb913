-- The months of a computed dataset with versions, whether they wait or not: all are validated again. Grain: month. Reads only.
-- Parameters: from, to (dates or NULL: everything).
SELECT date_trunc('month', day::timestamp)::date AS month, min(day) AS first_day, max(day) AS last_day, count(DISTINCT ({key})) AS days
FROM {table}
WHERE day >= coalesce(%(from)s::date, '-infinity') AND day < coalesce(%(to)s::date, 'infinity')
  AND state IN ('pending', 'published', 'held')
GROUP BY 1 ORDER BY 1
