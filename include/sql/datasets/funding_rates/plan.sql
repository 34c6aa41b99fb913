-- The perpetuals that have funding in an interval, each with the part of the interval: from its first funded hour on or, if that was
-- not found yet, from its listing on. A request returns up to 744 hours. Grain: an instrument. Reads only. Parameters: from, to,
-- currencies; open: of days that are not closed, in full hours; from then on that is older than the interval and in this month, or since
-- yesterday where that is longer, and was not answered for, or not decided on since.
WITH asked AS (
    SELECT CASE WHEN %(open)s THEN date_trunc('hour', %(from)s::timestamptz, 'UTC') ELSE %(from)s END AS since,
           CASE WHEN %(open)s THEN date_trunc('hour', %(to)s::timestamptz, 'UTC') ELSE %(to)s END AS until,
           least(date_trunc('month', %(to)s::timestamptz, 'UTC'), date_trunc('day', %(to)s::timestamptz, 'UTC') - interval '1 day') AS opened
)
SELECT l.instrument AS subject, l.instrument, l.instrument_id, w.begins, w.ends, ceil(extract(epoch FROM w.ends - w.begins) / (744 * 3600))::integer AS requests
FROM asked CROSS JOIN store.lifetime l LEFT JOIN store.funding_start s USING (instrument_id)
CROSS JOIN LATERAL (SELECT coalesce(s.first_hour - interval '1 hour', l.begins) AS begins, least(l.funding_ends, asked.until) AS ends) AS life
LEFT JOIN LATERAL (
    SELECT least(lower(tstzmultirange(tstzrange(o.begins, greatest(o.begins, life.ends))) - coalesce(a.windows, '{}')),
                 (SELECT f.ts - interval '1 hour' FROM store.funding_rate f
                  WHERE f.instrument_id = l.instrument_id AND f.ts > o.begins AND f.state = 'pending' AND f.validation_id IS NULL
                  ORDER BY f.ts LIMIT 1)) AS since
    FROM (SELECT greatest(life.begins, asked.opened) AS begins) AS o
    LEFT JOIN store.fetched a ON a.instrument_id = l.instrument_id AND a.what = 'funding'
    WHERE %(open)s) AS undone ON true
CROSS JOIN LATERAL (SELECT greatest(life.begins, least(asked.since, undone.since)) AS begins, life.ends) AS w
WHERE l.perpetual AND l.settlement_currency = ANY(%(currencies)s)
  AND coalesce(s.first_hour, l.begins) <= asked.until AND w.begins < w.ends
ORDER BY l.instrument
