-- The months of a dataset with days that can be validated now; also those that a validation has blocked, where somebody asks
-- for them. Grain: month. Reads only. Parameters: dataset, from, to (dates or NULL: everything), blocked.
SELECT date_trunc('month', day::timestamp)::date AS month, min(day) AS first_day, max(day) AS last_day, count(*) AS days
FROM ({pending}) AS p
WHERE dataset = %(dataset)s AND day >= coalesce(%(from)s::date, '-infinity') AND day < coalesce(%(to)s::date, 'infinity')
  AND waits_for IS NULL AND (blocked_by IS NULL OR %(blocked)s)
GROUP BY 1 ORDER BY 1
