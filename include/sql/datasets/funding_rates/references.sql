-- The perpetuals' candles, which the index in their funding is checked against, in an interval, where the exchange was not
-- asked for them in full yet. Grain: instrument. Reads only. Parameters: instrument_ids, from, to.
SELECT 'perpetuals_ohlcv' AS dataset, p.instrument AS subject, p.instrument, p.instrument_id, p.begins, p.ends, 1 AS requests
FROM (SELECT l.instrument_id, l.instrument, greatest(l.begins, %(from)s) AS begins, least(l.ends, %(to)s) AS ends
      FROM store.lifetime l
      WHERE l.perpetual AND l.begins < %(to)s AND l.ends > %(from)s AND l.instrument_id = ANY(%(instrument_ids)s)) AS p
WHERE p.begins < p.ends AND NOT store.was_fetched(p.instrument_id, 'candles', p.begins, p.ends)
ORDER BY p.instrument
