-- Size of the published volatility index: currencies, rows (hours) and bytes a row with indexes, in which the versions that are kept
-- count as well. Grain: the dataset. Reads only.
SELECT count(DISTINCT currency) AS instruments, count(*) AS rows, pg_total_relation_size('store.volatility_index')::numeric / nullif(count(*), 0) AS bytes_a_row
FROM store.volatility_index WHERE state = 'published'
