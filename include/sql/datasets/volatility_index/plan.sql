-- The currencies that have a volatility index, and the part of an interval it covers. A request takes 1,000 hours. Grain:
-- currency. Reads only. Parameters: from, to, currencies, indexed, first_hour.
SELECT c.currency AS subject, c.currency AS instrument, NULL::integer AS instrument_id, w.begins, w.ends,
       ceil(extract(epoch FROM w.ends - w.begins) / (1000 * 3600))::integer AS requests
FROM unnest(%(currencies)s::text[]) AS c(currency)
CROSS JOIN LATERAL (SELECT greatest(%(from)s, %(first_hour)s::timestamptz) AS begins, %(to)s::timestamptz AS ends) AS w
WHERE c.currency = ANY(%(indexed)s::text[]) AND w.begins < w.ends
ORDER BY c.currency
