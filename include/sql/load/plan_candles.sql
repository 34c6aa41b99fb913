-- The instruments that lived in an interval and the part of it they lived through. Grain: an instrument. Reads only.
SELECT instrument_id, instrument, greatest(begins, %(from)s) AS begins, least(ends, %(to)s) AS ends
FROM store.lifetime
WHERE perpetual = %(perpetual)s AND settlement_currency = ANY(%(currencies)s) AND begins < %(to)s AND ends > %(from)s
ORDER BY ends, instrument
