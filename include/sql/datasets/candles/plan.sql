-- The instruments that were listed in an interval, each with the part of it in which it was. A request returns up to 5,000 minutes.
-- Grain: an instrument. Reads only.
SELECT instrument AS subject, instrument, instrument_id, w.begins, w.ends, ceil(extract(epoch FROM w.ends - w.begins) / (5000 * 60))::integer AS requests
FROM store.lifetime l
CROSS JOIN LATERAL (SELECT greatest(l.begins, %(from)s) AS begins, least(l.ends, %(to)s) AS ends) AS w
WHERE perpetual = %(perpetual)s AND settlement_currency = ANY(%(currencies)s) AND l.begins < %(to)s AND l.ends > %(from)s
ORDER BY w.ends, instrument
