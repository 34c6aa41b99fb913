-- What is published of the delivery prices: indexes, rows (days) and bytes a row with indexes. Kept versions weigh with what is
-- published. Grain: the dataset. Reads only.
SELECT count(DISTINCT index_name) AS instruments, count(*) AS rows, pg_total_relation_size('store.delivery_price')::numeric / nullif(count(*), 0) AS bytes_a_row
FROM store.delivery_price WHERE state = 'published'
