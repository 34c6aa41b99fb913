-- Notes how large the database and each of its tables is today. Grain: table and day. May run twice: the later measurement
-- counts. Parameters: limit_bytes: what the database may grow to, or NULL; free_bytes: what is free where it lies, by which that
-- is told where there is no limit, or NULL.
WITH database AS (
    SELECT (now() AT TIME ZONE 'UTC')::date AS day, pg_database_size(current_database()) AS bytes
), noted AS (
    INSERT INTO store.storage_day AS d (day, bytes, limit_bytes)
    SELECT day, bytes, coalesce(%(limit_bytes)s::bigint, bytes + %(free_bytes)s::bigint) FROM database
    ON CONFLICT (day) DO UPDATE SET measured_at = now(), bytes = excluded.bytes, limit_bytes = excluded.limit_bytes
    RETURNING day
)
INSERT INTO store.storage_size (day, relation, heap_bytes, index_bytes, toast_bytes)
SELECT n.day, c.relname, pg_table_size(c.oid) - t.bytes, pg_indexes_size(c.oid), t.bytes
FROM noted n CROSS JOIN pg_class c
CROSS JOIN LATERAL (SELECT CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE pg_total_relation_size(c.reltoastrelid) END AS bytes) AS t
WHERE c.relnamespace = 'store'::regnamespace AND c.relkind = 'r'
ON CONFLICT (day, relation) DO UPDATE
SET heap_bytes = excluded.heap_bytes, index_bytes = excluded.index_bytes, toast_bytes = excluded.toast_bytes
