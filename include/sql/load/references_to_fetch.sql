-- What the levels of instruments are checked against in an interval, and the exchange was not asked for in full yet: of a
-- perpetual its funding, of funding the perpetual's candles, of dated futures both of their perpetual's. Grain:
-- instrument, question. Reads only. Parameters: what (perpetuals_ohlcv, futures_ohlcv, funding_rates), instrument_ids, from, to.
WITH perpetual AS (
    SELECT DISTINCT l.instrument_id, l.instrument, greatest(l.begins, %(from)s) AS begins, least(l.ends, %(to)s) AS ends
    FROM store.lifetime l
    WHERE l.perpetual AND l.begins < %(to)s AND l.ends > %(from)s
      AND (%(what)s <> 'futures_ohlcv' AND l.instrument_id = ANY(%(instrument_ids)s)
           OR %(what)s = 'futures_ohlcv' AND l.instrument_id IN (
               SELECT f.perpetual_id FROM store.future f
               WHERE f.instrument_id = ANY(%(instrument_ids)s)
                 AND f.from_day::timestamp AT TIME ZONE 'UTC' < %(to)s AND f.past_day::timestamp AT TIME ZONE 'UTC' > %(from)s))
), question AS (
    SELECT 'candles' AS what, p.* FROM perpetual p WHERE %(what)s <> 'perpetuals_ohlcv'
    UNION ALL
    SELECT 'funding', p.instrument_id, p.instrument, greatest(p.begins, s.first_hour - interval '1 hour'), p.ends
    FROM perpetual p JOIN store.funding_start s USING (instrument_id)
    WHERE %(what)s <> 'funding_rates' AND s.first_hour <= p.ends
)
SELECT q.* FROM question q
WHERE q.begins < q.ends AND NOT store.was_fetched(q.instrument_id, q.what, q.begins, q.ends)
ORDER BY q.instrument, q.what
