-- What waits to be validated, and for what. Grain: dataset, what it waits for, what blocked it. Reads only.
SELECT dataset, waits_for, blocked_by IS NOT NULL AS blocked, count(DISTINCT instrument) AS instruments, sum(days)::bigint AS days,
       min(first_day) AS first_day, max(last_day) AS last_day
FROM pending GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
