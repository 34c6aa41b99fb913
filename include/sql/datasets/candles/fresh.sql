-- Until when there are published candles of every perpetual and dated future. Grain: instrument. Reads only.
--   begins, ends   of what is collected; known_since: when this database was first told of it
--   newest         the ts of the newest published row, as the dataset's view has it
--   until          before which nothing can be newer: the end of what newest covers
--   cadence        at its multiples more is published; warning_after, error_after: how long after one it may take
-- History comes a month at a time, by a run that may wait DERIBIT_WAIT_HOURS for the exchange.
SELECT CASE WHEN l.perpetual THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset, l.label AS instrument,
       l.counts_from AS begins, l.ends, i.first_seen_at AS known_since,
       n.until - interval '1 minute' AS newest, n.until, n.published_at,
       interval '1 month' AS cadence, interval '1 day' AS warning_after, interval '3 days' AS error_after
FROM store.collected_lifetime l JOIN store.instrument i USING (instrument_id)
LEFT JOIN LATERAL (
    SELECT c.day::timestamp AT TIME ZONE 'UTC' + (c.first_minute + c.n) * interval '1 minute' AS until,
           (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = c.validation_id) AS published_at
    FROM store.candle_day c WHERE c.instrument_id = l.instrument_id AND c.state = 'published' ORDER BY c.day DESC LIMIT 1) AS n ON true
