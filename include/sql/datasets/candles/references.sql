-- What the levels of perpetuals or dated futures are checked against in an interval, and the exchange was not asked for in full
-- yet: of a perpetual its funding, of dated futures that and the candles of their perpetual. Grain: instrument, dataset.
-- Reads only. Parameters: perpetual, instrument_ids, from, to.
WITH mine AS (
    SELECT DISTINCT l.instrument_id, l.instrument, greatest(l.begins, %(from)s) AS begins, least(l.ends, %(to)s) AS ends
    FROM store.lifetime l
    WHERE l.perpetual AND l.begins < %(to)s AND l.ends > %(from)s
      AND (%(perpetual)s AND l.instrument_id = ANY(%(instrument_ids)s)
           OR NOT %(perpetual)s AND l.instrument_id IN (
               SELECT f.perpetual_id FROM store.future f
               WHERE f.instrument_id = ANY(%(instrument_ids)s)
                 AND f.from_day::timestamp AT TIME ZONE 'UTC' < %(to)s AND f.past_day::timestamp AT TIME ZONE 'UTC' > %(from)s))
), question AS (
    SELECT 'perpetuals_ohlcv' AS dataset, 'candles' AS what, p.* FROM mine p WHERE NOT %(perpetual)s
    UNION ALL
    SELECT 'funding_rates', 'funding', p.instrument_id, p.instrument, greatest(p.begins, s.first_hour - interval '1 hour'), p.ends
    FROM mine p JOIN store.funding_start s USING (instrument_id) WHERE s.first_hour <= p.ends
)
SELECT q.dataset, q.instrument AS subject, q.instrument, q.instrument_id, q.begins, q.ends, 1 AS requests FROM question q
WHERE q.begins < q.ends AND NOT store.was_fetched(q.instrument_id, q.what, q.begins, q.ends)
ORDER BY q.instrument, q.what
