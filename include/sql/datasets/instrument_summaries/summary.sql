-- What is published of the summaries: instruments, rows (an instrument at a beat) and bytes a row with indexes, folded days and
-- others. Kept versions weigh with what is published. Grain: the dataset. Reads only.
SELECT (SELECT count(*) FROM (SELECT i FROM store.roster r CROSS JOIN unnest(r.instruments) AS i
                              WHERE EXISTS (SELECT FROM store.instrument_summary s WHERE s.roster_id = r.roster_id AND s.state = 'published')
                              UNION SELECT instrument FROM store.summary_series) AS n) AS instruments,
       coalesce(sum(k.rows), 0) AS rows,
       (pg_total_relation_size('store.instrument_summary') + pg_total_relation_size('store.summary_day')
        + pg_total_relation_size('store.summary_series'))::numeric / nullif(sum(k.rows), 0) AS bytes_a_row
FROM (SELECT cardinality(r.instruments) AS rows FROM store.instrument_summary s JOIN store.roster r USING (roster_id) WHERE s.state = 'published'
      UNION ALL SELECT cardinality(array_remove(told_ms, NULL)) FROM store.summary_series) AS k
