-- The longest stretches of time in which nothing traded, of those that are listed. Grain: outage. Reads only.
SELECT begins, ends, minutes, instruments, unpublished, known
FROM (SELECT * FROM exchange_outages ORDER BY minutes DESC, begins LIMIT 25) AS longest ORDER BY begins
