-- The futures and perpetuals that lived in an interval, and the whole days of it they lived through: a delivery comes a little
-- after the expiry. A request takes 1,000 days. Grain: an instrument. Reads only. Parameters: from, to, currencies.
SELECT l.instrument AS subject, l.instrument, l.instrument_id, w.begins, w.ends,
       ceil(extract(epoch FROM w.ends - w.begins) / (1000 * 86400))::integer AS requests
FROM store.lifetime l
CROSS JOIN LATERAL (SELECT greatest(l.first_day::timestamp AT TIME ZONE 'UTC', %(from)s) AS begins,
                           least(l.past_day::timestamp AT TIME ZONE 'UTC', %(to)s) AS ends) AS w
WHERE l.settlement_currency = ANY(%(currencies)s) AND w.begins < w.ends
ORDER BY w.ends, l.instrument
