-- Every stretch of days of one condition and reason, the available ones included. Grain: dataset, stretch; newest first. Reads
-- only.
SELECT dataset, condition, reason, min(day) AS first_day, max(day) AS last_day, count(*) AS days, sum(expected)::bigint AS expected,
       sum(published)::bigint AS published, sum(held)::bigint AS held, sum(pending)::bigint AS pending, sum(missing)::bigint AS missing,
       max(last_modified) AS last_modified
FROM (SELECT c.*, day - row_number() OVER (PARTITION BY dataset, condition, reason ORDER BY day)::integer AS stretch
      FROM store.dataset_condition c) AS days
GROUP BY dataset, condition, reason, stretch
ORDER BY dataset, first_day DESC, condition, reason
