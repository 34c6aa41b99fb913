-- The instruments that were listed in an interval, each with the parts of it in which it was, by calendar month: so a year takes no
-- more memory than a month, and what was stored of it stays stored. Months in their order, so that the first are there first.
-- A request returns up to 5,000 minutes. Grain: instrument, month (UTC). Reads only. Parameters: from, to, perpetual, currencies.
SELECT instrument AS subject, instrument, instrument_id, w.begins, w.ends, ceil(extract(epoch FROM w.ends - w.begins) / (5000 * 60))::integer AS requests
FROM store.lifetime l
CROSS JOIN LATERAL (SELECT greatest(l.begins, %(from)s) AS begins, least(l.ends, %(to)s) AS ends) AS listed
CROSS JOIN LATERAL generate_series(date_trunc('month', listed.begins, 'UTC'), listed.ends, interval '1 month', 'UTC') AS month
CROSS JOIN LATERAL (SELECT greatest(listed.begins, month) AS begins, least(listed.ends, date_add(month, interval '1 month', 'UTC')) AS ends) AS w
WHERE perpetual = %(perpetual)s AND settlement_currency = ANY(%(currencies)s) AND w.begins < w.ends
ORDER BY w.ends, instrument
