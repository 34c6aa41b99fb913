-- The instruments that lived in an interval and the part of it they lived through. Grain: an instrument. Reads only.
SELECT i.instrument_id, i.instrument,
       greatest(date_trunc('minute', i.listed_at), %(from)s) AS begins, least(i.expires_at, %(to)s) AS ends
FROM store.instrument i
WHERE i.kind = 'future' AND (i.settlement_period = 'perpetual') = %(perpetual)s
  AND i.settlement_currency = ANY(%(currencies)s)
  AND i.listed_at < %(to)s AND i.expires_at > %(from)s
ORDER BY i.expires_at, i.instrument
