-- Every value of a minute that differs between a version that was once shown and the next one that was, and when that was
-- published. Grain: key, field. Reads only.
SELECT CASE WHEN i.settlement_period = 'perpetual' THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset,
       i.label AS instrument, o.day, to_timestamp(e.epoch + 60 * m.i) AS ts, f.field, m.old, m.new,
       v.validated_at AS corrected_at, v.validation_id, o.version_id AS old_version_id, n.version_id AS new_version_id
FROM store.candle_day o
JOIN store.instrument i USING (instrument_id)
CROSS JOIN LATERAL (SELECT c.* FROM store.candle_day c
                    WHERE c.instrument_id = o.instrument_id AND c.day = o.day AND c.version_id > o.version_id AND NOT isempty(c.shown)
                    ORDER BY c.version_id LIMIT 1) AS n
JOIN store.validation v ON v.validation_id = lower(n.shown)
CROSS JOIN LATERAL (SELECT extract(epoch FROM o.day)::float8 + 60 * (least(o.first_minute, n.first_minute) - 1) AS epoch,
                           least(o.first_minute, n.first_minute)::integer AS first,
                           greatest(o.first_minute + o.n, n.first_minute + n.n)::integer - least(o.first_minute, n.first_minute) AS n OFFSET 0) AS e
CROSS JOIN LATERAL (VALUES ('open', o.open, n.open), ('high', o.high, n.high), ('low', o.low, n.low), ('close', o.close, n.close),
                           ('volume', o.volume, n.volume), ('cost', o.cost, n.cost)) AS f(field, old, new)
CROSS JOIN LATERAL (SELECT unnest(store.slice_minutes(f.old, o.first_minute, e.first, e.n)) AS old,
                           unnest(store.slice_minutes(f.new, n.first_minute, e.first, e.n)) AS new, generate_series(1, e.n) AS i) AS m
WHERE o.state IN ('held', 'superseded') AND NOT isempty(o.shown) AND m.old IS DISTINCT FROM m.new
