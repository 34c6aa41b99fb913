-- What is published of the summaries: instruments, rows (an instrument at a beat) and bytes a row with indexes. Kept versions weigh
-- with what is published. Grain: the dataset. Reads only.
SELECT (SELECT count(DISTINCT i) FROM store.roster r CROSS JOIN unnest(r.instruments) AS i
        WHERE EXISTS (SELECT FROM store.instrument_summary s WHERE s.roster_id = r.roster_id AND s.state = 'published')) AS instruments,
       coalesce(sum(cardinality(r.instruments)), 0) AS rows,
       pg_total_relation_size('store.instrument_summary')::numeric / nullif(sum(cardinality(r.instruments)), 0) AS bytes_a_row
FROM store.instrument_summary s JOIN store.roster r USING (roster_id) WHERE s.state = 'published'
