-- How much of the newest twelve closed months is published. Grain: dataset, month. Reads only.
SELECT dataset, month, count(*) AS instruments, sum(minutes)::bigint AS expected, sum(present)::bigint AS present,
       sum(published_minutes)::bigint AS published, sum(missing)::bigint AS missing
FROM coverage
WHERE month >= (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '12 months')::date
GROUP BY dataset, month ORDER BY dataset, month
