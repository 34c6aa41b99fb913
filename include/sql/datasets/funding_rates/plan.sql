-- The perpetuals that have funding in an interval, each with the part of the interval: from its first funded hour on or, if that was
-- not found yet, from its listing on. A request returns up to 744 hours. Grain: an instrument. Reads only.
SELECT l.instrument AS subject, l.instrument, l.instrument_id, w.begins, w.ends, ceil(extract(epoch FROM w.ends - w.begins) / (744 * 3600))::integer AS requests
FROM store.lifetime l LEFT JOIN store.funding_start s USING (instrument_id)
CROSS JOIN LATERAL (SELECT greatest(coalesce(s.first_hour - interval '1 hour', l.begins), %(from)s) AS begins,
                           least(l.funding_ends, %(to)s) AS ends) AS w
WHERE l.perpetual AND l.settlement_currency = ANY(%(currencies)s)
  AND coalesce(s.first_hour, l.begins) <= %(to)s AND l.funding_ends > %(from)s
ORDER BY l.instrument
