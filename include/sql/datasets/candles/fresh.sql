-- Until when there are published candles of every perpetual and dated future. Grain: instrument. Reads only.
--   begins, ends   of what is collected; known_since: when this database was first told of it
--   newest         the ts of the newest published row, as the dataset's view has it
--   until          before which nothing can be newer: the end of what newest covers
--   cadence        at its multiples more is published; warning_after, error_after: how long after one it may take
-- History comes a month at a time, by a run that may wait DERIBIT_WAIT_HOURS for the exchange. Where live has brought a minute of a day
-- after the newest published one, that day is to be closed in the night after it (deribit_close_day): a warning three hours later, an
-- error where the next night has not done it, either. What live brought when the day was over is due from then on.
SELECT CASE WHEN l.perpetual THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset, l.label AS instrument,
       l.counts_from AS begins, l.ends, greatest(i.first_seen_at, o.loaded_at) AS known_since,
       n.until - interval '1 minute' AS newest, coalesce(o.ts, n.until) AS until, n.published_at,
       CASE WHEN o.ts IS NULL THEN interval '1 month' ELSE interval '1 day' END AS cadence,
       CASE WHEN o.ts IS NULL THEN interval '1 day' ELSE interval '3 hours' END AS warning_after,
       CASE WHEN o.ts IS NULL THEN interval '3 days' ELSE interval '1 day 3 hours' END AS error_after
FROM store.collected_lifetime l JOIN store.instrument i USING (instrument_id)
LEFT JOIN LATERAL (
    SELECT c.day, c.day::timestamp AT TIME ZONE 'UTC' + (c.first_minute + c.n) * interval '1 minute' AS until,
           (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = c.validation_id) AS published_at
    FROM store.candle_day c WHERE c.instrument_id = l.instrument_id AND c.state = 'published' ORDER BY c.day DESC LIMIT 1) AS n ON true
LEFT JOIN LATERAL store.first_open_minute(l.instrument_id, coalesce((n.day + 1)::timestamp AT TIME ZONE 'UTC', l.counts_from)) AS o ON true
