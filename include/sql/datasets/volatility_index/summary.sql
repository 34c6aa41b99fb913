-- What is published of the volatility index: currencies, rows (hours) and bytes a row with indexes. Kept versions weigh with what
-- is published. Grain: the dataset. Reads only.
SELECT count(DISTINCT currency) AS instruments, count(*) AS rows, pg_total_relation_size('store.volatility_index')::numeric / nullif(count(*), 0) AS bytes_a_row
FROM store.volatility_index WHERE state = 'published'
