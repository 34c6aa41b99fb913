-- What is published of the settlements: instruments, rows and bytes a row with indexes. Kept versions weigh with what is published.
-- Grain: the dataset. Reads only.
SELECT count(DISTINCT instrument_id) AS instruments, count(*) AS rows, pg_total_relation_size('store.settlement')::numeric / nullif(count(*), 0) AS bytes_a_row
FROM store.settlement WHERE state = 'published'
