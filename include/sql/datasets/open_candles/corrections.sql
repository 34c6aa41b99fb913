-- Every value of a minute of an open day that differs between a version that was once shown and the next one that was. Grain: key,
-- field. Reads only. Columns as of the candles' corrections.
SELECT CASE WHEN i.settlement_period = 'perpetual' THEN 'perpetuals_live' ELSE 'futures_live' END AS dataset,
       i.label AS instrument, o.day, o.ts, f.field, f.old, f.new, v.validated_at AS corrected_at, v.validation_id,
       o.version_id AS old_version_id, n.version_id AS new_version_id
FROM store.open_candle o
JOIN store.instrument i USING (instrument_id)
CROSS JOIN LATERAL (SELECT c.* FROM store.open_candle c
                    WHERE c.instrument_id = o.instrument_id AND c.ts = o.ts AND c.version_id > o.version_id AND NOT isempty(c.shown)
                    ORDER BY c.version_id LIMIT 1) AS n
JOIN store.validation v ON v.validation_id = lower(n.shown)
CROSS JOIN LATERAL (VALUES ('open', o.open, n.open), ('high', o.high, n.high), ('low', o.low, n.low), ('close', o.close, n.close),
                           ('volume', o.volume, n.volume), ('cost', o.cost, n.cost)) AS f(field, old, new)
WHERE o.state IN ('held', 'superseded') AND NOT isempty(o.shown) AND f.old IS DISTINCT FROM f.new
