-- What is published of the rolls: contracts, rolls and bytes a roll with indexes. Kept versions weigh with what is published.
-- Grain: the dataset. Reads only.
SELECT count(DISTINCT instrument_id) AS instruments, count(*) AS rows,
       pg_total_relation_size('store.roll')::numeric / nullif(count(*), 0) AS bytes_a_row
FROM store.roll WHERE state = 'published' AND NOT skipped
