-- The months with versions that wait to be validated; also those that a validation has blocked, where somebody asks for
-- them; or with versions at all when all are asked for again. Grain: month. Reads only. Parameters: from, to (dates or
-- NULL: everything), blocked, again (boolean).
SELECT date_trunc('month', day)::date AS month, min(day) AS first_day, max(day) AS last_day, count(DISTINCT ({key})) AS days
FROM {table}
WHERE day >= coalesce(%(from)s::date, '-infinity') AND day < coalesce(%(to)s::date, 'infinity')
  AND (state = 'pending' AND (validation_id IS NULL OR %(blocked)s) OR %(again)s AND state IN ('pending', 'published', 'held'))
GROUP BY 1 ORDER BY 1
