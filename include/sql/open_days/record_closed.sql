-- Says since which validation a day, whose live minutes are to be deleted, is shown as a closed day without a break,
-- candles and basis, or its last live minutes were taken back; never an earlier one than was said before. Grain: day. May run twice.
-- Parameters: day.
INSERT INTO store.closed_day AS k (day, validation_id)
SELECT s.day, max(lower(r))
FROM (SELECT d.instrument_id, d.day FROM store.open_candle d
      WHERE d.day = %(day)s GROUP BY d.instrument_id, d.day) AS o
CROSS JOIN LATERAL (
    SELECT c.day, range_agg(c.shown) AS shown FROM store.candle_day c
    WHERE c.instrument_id = o.instrument_id AND c.day = o.day GROUP BY c.day
    UNION ALL
    SELECT b.day, range_agg(b.shown) FROM store.basis_day b
    WHERE b.instrument_id = o.instrument_id AND b.day = o.day GROUP BY b.day
    UNION ALL
    SELECT o.day, int8multirange(int8range(max(upper(r)), NULL))
    FROM store.open_candle v
    CROSS JOIN LATERAL unnest(v.shown - coalesce((SELECT range_agg(c.shown) FROM store.candle_day c
                                                  WHERE c.instrument_id = o.instrument_id AND c.day = o.day), '{}')) AS r
    WHERE v.instrument_id = o.instrument_id AND v.day = o.day AND v.state = 'held' HAVING max(upper(r)) IS NOT NULL) AS s
CROSS JOIN LATERAL unnest(s.shown) AS r
GROUP BY s.day
ON CONFLICT (day) DO UPDATE SET validation_id = greatest(k.validation_id, excluded.validation_id)
