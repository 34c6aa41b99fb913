-- Says since which validation the days before a day, whose live minutes are to be deleted, are shown as closed days without a break,
-- candles and basis, or their last live minutes were taken back; never an earlier one than was said before. Grain: day. May run twice.
-- Parameters: before.
INSERT INTO store.closed_day AS k (day, validation_id)
SELECT s.day, max(lower(r))
FROM (SELECT d.instrument_id, d.day FROM store.open_candle d JOIN store.replaced_open_day USING (day)
      WHERE d.day < %(before)s GROUP BY d.instrument_id, d.day) AS o
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
