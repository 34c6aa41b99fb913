-- The perpetuals whose funding reaches into an interval, and from where: from the first hour there is, or from the
-- listing where none was found yet. Grain: an instrument. Reads only.
-- A request takes 744 hours.
SELECT l.instrument AS subject, l.instrument, l.instrument_id, w.begins, w.ends, ceil(extract(epoch FROM w.ends - w.begins) / (744 * 3600))::integer AS requests
FROM store.lifetime l LEFT JOIN store.funding_start s USING (instrument_id)
CROSS JOIN LATERAL (SELECT greatest(coalesce(s.first_hour - interval '1 hour', l.begins), %(from)s) AS begins,
                           least(l.funding_ends, %(to)s) AS ends) AS w
WHERE l.perpetual AND l.settlement_currency = ANY(%(currencies)s)
  AND coalesce(s.first_hour, l.begins) <= %(to)s AND l.funding_ends > %(from)s
ORDER BY l.instrument
