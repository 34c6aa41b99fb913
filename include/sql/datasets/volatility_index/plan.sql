-- The currencies that have a volatility index, each with the part of an interval that it covers. A request returns up to 1,000
-- hours. Grain: currency. Reads only. Parameters: from, to, currencies.
SELECT c.currency AS subject, c.currency AS instrument, NULL::integer AS instrument_id, w.begins, w.ends,
       ceil(extract(epoch FROM w.ends - w.begins) / (1000 * 3600))::integer AS requests
FROM store.volatility_currency c
CROSS JOIN LATERAL (SELECT greatest(%(from)s, c.first_hour) AS begins, %(to)s::timestamptz AS ends) AS w
WHERE c.currency = ANY(%(currencies)s::text[]) AND w.begins < w.ends
ORDER BY c.currency
