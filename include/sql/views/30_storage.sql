-- How large every table was, day by day, and the database as a whole (relation 'database'), how fast it grows and how long it may go
-- on so. Growth is that since the first measurement of the thirty days before; NULL on the first of them.
CREATE VIEW storage AS
    SELECT s.day, s.relation, s.bytes, s.heap_bytes, s.index_bytes, s.toast_bytes, g.growth_a_day, s.limit_bytes,
           CASE WHEN s.bytes >= s.limit_bytes THEN 0 WHEN g.growth_a_day > 0 THEN (s.limit_bytes - s.bytes) / g.growth_a_day END AS days_left
    FROM (SELECT day, relation, bytes, heap_bytes, index_bytes, toast_bytes, limit_bytes,
                 first_value(day) OVER before AS first_day, first_value(bytes) OVER before AS first_bytes
          FROM (SELECT day, relation, heap_bytes + index_bytes + toast_bytes AS bytes, heap_bytes, index_bytes, toast_bytes,
                       NULL::bigint AS limit_bytes FROM store.storage_size
                UNION ALL
                SELECT day, 'database', bytes, NULL, NULL, NULL, limit_bytes FROM store.storage_day) AS measured
          WINDOW before AS (PARTITION BY relation ORDER BY day RANGE BETWEEN interval '30 days' PRECEDING AND CURRENT ROW)) AS s
    CROSS JOIN LATERAL (SELECT (s.bytes - s.first_bytes)::float8 / nullif(s.day - s.first_day, 0) AS growth_a_day) AS g;
