-- What is published of the funding: instruments, rows (hours) and bytes a row with indexes. Kept versions weigh with what is
-- published. Grain: the dataset. Reads only.
SELECT count(DISTINCT instrument_id) AS instruments, count(*) AS rows,
       pg_total_relation_size('store.funding_rate')::numeric / nullif(count(*), 0) AS bytes_a_row
FROM store.funding_rate WHERE state = 'published'
