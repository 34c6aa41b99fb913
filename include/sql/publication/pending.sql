-- The months of a dataset with days that can be validated now; where somebody asks by hand, also those that a validation has
-- blocked, and those that were only loaded. Grain: month. Reads only. Parameters: dataset, from, to (dates or NULL:
-- everything), by_hand.
SELECT date_trunc('month', day::timestamp)::date AS month, min(day) AS first_day, max(day) AS last_day, count(*) AS days
FROM ({pending}) AS p
WHERE dataset = %(dataset)s AND day >= coalesce(%(from)s::date, '-infinity') AND day < coalesce(%(to)s::date, 'infinity')
  AND waits_for IS NULL AND (blocked_by IS NULL AND NOT loaded OR %(by_hand)s)
GROUP BY 1 ORDER BY 1
