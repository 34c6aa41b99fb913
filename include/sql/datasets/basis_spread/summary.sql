-- What is published of the basis: futures, rows (minutes) and bytes a row with indexes. Kept versions weigh with what is
-- published. Grain: the dataset. Reads only.
SELECT count(DISTINCT instrument_id) AS instruments, coalesce(sum(minutes), 0)::bigint AS rows,
       pg_total_relation_size('store.basis_day')::numeric / nullif(sum(minutes), 0) AS bytes_a_row
FROM store.basis_day WHERE state = 'published'
