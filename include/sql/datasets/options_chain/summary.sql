-- What is published of the option chains: options, rows (an option at a beat) and bytes a row with indexes. Kept versions weigh with
-- what is published. Grain: the dataset. Reads only.
SELECT (SELECT count(DISTINCT i) FROM store.roster r CROSS JOIN unnest(r.instruments) AS i
        WHERE EXISTS (SELECT FROM store.option_chain s WHERE s.roster_id = r.roster_id AND s.state = 'published')) AS instruments,
       coalesce(sum(cardinality(r.instruments)), 0) AS rows,
       pg_total_relation_size('store.option_chain')::numeric / nullif(sum(cardinality(r.instruments)), 0) AS bytes_a_row
FROM store.option_chain s JOIN store.roster r USING (roster_id) WHERE s.state = 'published'
