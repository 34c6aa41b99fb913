-- Size of the published index prices: indexes, rows (minutes) and bytes a row with indexes and TOAST, in which the versions that are
-- kept count as well. Grain: the dataset. Reads only.
SELECT count(DISTINCT x.index_name) AS instruments, coalesce(sum(m.known), 0)::bigint AS rows,
       (pg_total_relation_size('store.index_day') + pg_total_relation_size('store.index_chart_day'))::numeric / nullif(sum(m.known), 0)
           AS bytes_a_row
FROM store.index_day x
LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
CROSS JOIN LATERAL (SELECT coalesce(p.present, cardinality(array_remove(x.hourly, NULL))) AS known) AS m
WHERE x.state = 'published'
