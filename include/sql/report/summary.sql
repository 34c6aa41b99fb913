-- What is published. Grain: dataset. Says instruments, rows, the share of what should be there, what is missing (minutes;
-- funding: hours), the newest verdict of every interval, and bytes a row with indexes and TOAST. Reads only.
WITH candles AS (
    SELECT CASE WHEN i.settlement_period = 'perpetual' THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset,
           c.instrument_id, c.n, c.present,
           pg_column_size(c.open) + pg_column_size(c.high) + pg_column_size(c.low) + pg_column_size(c.close)
             + pg_column_size(c.volume) + pg_column_size(c.cost) AS bytes
    FROM store.candle_day c JOIN store.instrument i USING (instrument_id)
    WHERE c.validation_id IS NOT NULL
), expected AS (
    -- what the newest validation of every interval expected
    SELECT dataset, sum(minutes)::bigint AS rows
    FROM (SELECT DISTINCT ON (dataset, interval_from) dataset, minutes FROM store.validation
          WHERE dataset IN ('perpetuals_ohlcv', 'futures_ohlcv', 'funding_rates')
          ORDER BY dataset, interval_from, validation_id DESC) AS newest
    GROUP BY dataset
), published AS (
    SELECT dataset, count(DISTINCT instrument_id) AS instruments, sum(present)::bigint AS rows,
           (SELECT e.rows FROM expected e WHERE e.dataset = candles.dataset) AS expected,
           pg_total_relation_size('store.candle_day') * sum(bytes) / sum(sum(bytes)) OVER () / nullif(sum(present), 0) AS bytes_a_row
    FROM candles GROUP BY dataset
    UNION ALL
    SELECT 'funding_rates', count(DISTINCT instrument_id), count(*),
           (SELECT e.rows FROM expected e WHERE e.dataset = 'funding_rates'),
           pg_total_relation_size('store.funding_rate')::numeric / nullif(count(*), 0)
    FROM store.funding_rate WHERE validation_id IS NOT NULL
    UNION ALL
    SELECT 'index_prices', count(DISTINCT x.index_name), coalesce(sum(p.present) FILTER (WHERE x.published), 0)::bigint,
           (SELECT sum(n) FROM candles WHERE dataset = 'perpetuals_ohlcv')::bigint,
           (pg_total_relation_size('store.index_day') + pg_total_relation_size('store.index_chart_day'))::numeric / nullif(sum(p.present), 0)
    FROM store.index_day x
    JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.load_id = x.perpetual_load_id
    UNION ALL
    SELECT 'basis_spread', count(DISTINCT b.instrument_id), coalesce(sum(c.present - k.unborn) FILTER (WHERE b.published), 0)::bigint,
           (SELECT sum(present) FROM candles WHERE dataset = 'futures_ohlcv')::bigint,
           pg_total_relation_size('store.basis_day')::numeric / nullif(sum(c.present), 0)
    FROM store.basis_day b
    JOIN store.candle_day c ON c.instrument_id = b.instrument_id AND c.day = b.day AND c.load_id = b.load_id
    JOIN store.instrument i ON i.instrument_id = b.perpetual_id
    -- minutes of the future before the perpetual was born
    CROSS JOIN LATERAL (
        SELECT k.first - c.first_minute AS unborn
        FROM store.cut(b.day, c.first_minute, c.n, date_trunc('minute', i.listed_at, 'UTC'), 'infinity') AS k) AS k
), verdicts AS (
    SELECT dataset, string_agg(number || ' ' || verdict, ', ' ORDER BY verdict) AS validation
    FROM (SELECT dataset, verdict, count(*) AS number
          FROM (SELECT DISTINCT ON (dataset, interval_from) dataset, verdict FROM store.validation
                ORDER BY dataset, interval_from, validation_id DESC) AS newest
          GROUP BY dataset, verdict) AS counted
    GROUP BY dataset
)
SELECT p.dataset, p.instruments, p.rows, 100.0 * p.rows / nullif(p.expected, 0) AS coverage_percent,
       greatest(p.expected - p.rows, 0) AS missing_minutes, v.validation, p.bytes_a_row
FROM published p LEFT JOIN verdicts v USING (dataset)
ORDER BY array_position(ARRAY['perpetuals_ohlcv', 'futures_ohlcv', 'funding_rates', 'index_prices', 'basis_spread'], p.dataset)
