-- What is published. Grain: dataset. Says instruments, rows, the share of what should be there by the catalogue (closed
-- months, see coverage), what is missing (minutes; funding: hours), the newest outcome of every interval, and bytes a row
-- with indexes and TOAST. Reads only.
WITH expected AS (
    SELECT dataset, sum(minutes)::bigint AS rows, sum(published_minutes)::bigint AS published FROM coverage GROUP BY dataset
), candles AS (
    SELECT CASE WHEN i.settlement_period = 'perpetual' THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset,
           c.instrument_id, c.present,
           pg_column_size(c.open) + pg_column_size(c.high) + pg_column_size(c.low) + pg_column_size(c.close)
             + pg_column_size(c.volume) + pg_column_size(c.cost) AS bytes
    FROM store.candle_day c JOIN store.instrument i USING (instrument_id)
    WHERE c.state = 'published'
), published AS (
    SELECT dataset, count(DISTINCT instrument_id) AS instruments, sum(present)::bigint AS rows,
           pg_total_relation_size('store.candle_day') * sum(bytes) / sum(sum(bytes)) OVER () / nullif(sum(present), 0) AS bytes_a_row
    FROM candles GROUP BY dataset
    UNION ALL
    SELECT 'funding_rates', count(DISTINCT instrument_id), count(*),
           pg_total_relation_size('store.funding_rate')::numeric / nullif(count(*), 0)
    FROM store.funding_rate WHERE state = 'published'
    UNION ALL
    SELECT 'index_prices', count(DISTINCT x.index_name), coalesce(sum(m.known) FILTER (WHERE x.state = 'published'), 0)::bigint,
           (pg_total_relation_size('store.index_day') + pg_total_relation_size('store.index_chart_day'))::numeric / nullif(sum(m.known), 0)
    FROM store.index_day x
    LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
    CROSS JOIN LATERAL (SELECT coalesce(p.present, cardinality(array_remove(x.hourly, NULL))) AS known) AS m
    UNION ALL
    SELECT 'basis_spread', count(DISTINCT instrument_id), coalesce(sum(minutes) FILTER (WHERE state = 'published'), 0)::bigint,
           pg_total_relation_size('store.basis_day')::numeric / nullif(sum(minutes), 0)
    FROM store.basis_day
), outcomes AS (
    SELECT dataset, string_agg(number || ' ' || outcome, ', ' ORDER BY outcome) AS validation
    FROM (SELECT dataset, outcome, count(*) AS number
          FROM (SELECT DISTINCT ON (dataset, interval_from) dataset, outcome FROM store.validation
                ORDER BY dataset, interval_from, validation_id DESC) AS newest
          GROUP BY dataset, outcome) AS counted
    GROUP BY dataset
)
SELECT d.dataset, coalesce(p.instruments, 0) AS instruments, coalesce(p.rows, 0) AS rows,
       100.0 * e.published / nullif(e.rows, 0) AS coverage_percent,
       coalesce(greatest(e.rows - e.published, 0), 0) AS missing_minutes, v.validation, p.bytes_a_row
FROM unnest(ARRAY['perpetuals_ohlcv', 'futures_ohlcv', 'funding_rates', 'index_prices', 'basis_spread']) WITH ORDINALITY AS d(dataset, place)
LEFT JOIN published p USING (dataset) LEFT JOIN expected e USING (dataset) LEFT JOIN outcomes v USING (dataset)
WHERE p.rows > 0 OR e.rows > 0
ORDER BY d.place
