-- How large the database is now, how fast it grew of late (view storage), and for how many days that was measured. Grain: one row.
-- Reads only.
SELECT pg_database_size(current_database()) AS bytes, now() AS now, m.growth_a_day, m.measured_days
FROM (VALUES (1)) AS one(n)
LEFT JOIN LATERAL (
    SELECT s.growth_a_day, s.day - (SELECT min(d.day) FROM store.storage_day d WHERE d.day >= s.day - 30) AS measured_days
    FROM storage s WHERE s.relation = 'database' ORDER BY s.day DESC LIMIT 1
) AS m ON true
