-- What is published of the perpetuals or the dated futures: instruments, rows (minutes) and bytes a row, with their share of
-- the table's indexes and TOAST. Kept versions weigh with what is
-- published. Grain: the dataset. Reads only.
SELECT count(DISTINCT instrument_id) FILTER (WHERE mine) AS instruments, coalesce(sum(present) FILTER (WHERE mine), 0)::bigint AS rows,
       pg_total_relation_size('store.candle_day')::numeric * sum(bytes) FILTER (WHERE mine) / sum(bytes)
           / nullif(sum(present) FILTER (WHERE mine), 0) AS bytes_a_row
FROM (SELECT c.instrument_id, c.present, (i.settlement_period = 'perpetual') = %(perpetual)s AS mine,
             pg_column_size(c.open) + pg_column_size(c.high) + pg_column_size(c.low) + pg_column_size(c.close)
               + pg_column_size(c.volume) + pg_column_size(c.cost) AS bytes
      FROM store.candle_day c JOIN store.instrument i USING (instrument_id)
      WHERE c.state = 'published') AS days
