-- How much of what should be there by the catalogue is published, of closed months (see the view coverage): the share, and
-- what is missing (minutes; funding: hours). Grain: dataset. Reads only.
SELECT dataset, 100.0 * published / nullif(rows, 0) AS coverage_percent, greatest(rows - published, 0) AS missing_minutes
FROM (SELECT dataset, sum(minutes)::bigint AS rows, sum(published_minutes)::bigint AS published FROM coverage GROUP BY dataset) AS d
WHERE rows > 0
