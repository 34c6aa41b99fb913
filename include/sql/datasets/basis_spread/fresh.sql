-- Until when the basis of every dated future that has a perpetual is published; where the perpetual ended before it, what reaches to
-- there is all there will be. It is computed within minutes of its inputs, and may take an hour more than they: by the day where live
-- has brought minutes of the future. Grain: future. Reads only. Columns as of the candles' fresh.
SELECT 'basis_spread' AS dataset, f.label AS instrument, f.begins, f.ends, greatest(i.first_seen_at, o.loaded_at) AS known_since,
       n.until - interval '1 minute' AS newest,
       CASE WHEN n.until >= f.perpetual_ends THEN f.ends ELSE coalesce(o.ts, n.until) END AS until, n.published_at,
       CASE WHEN o.ts IS NULL THEN interval '1 month' ELSE interval '1 day' END AS cadence,
       CASE WHEN o.ts IS NULL THEN interval '1 day 1 hour' ELSE interval '4 hours' END AS warning_after,
       CASE WHEN o.ts IS NULL THEN interval '3 days 1 hour' ELSE interval '1 day 4 hours' END AS error_after
FROM (SELECT x.instrument_id, x.label, x.ends, max(x.perpetual_ends) AS perpetual_ends,
             min(greatest(x.listed_at, c.since, x.perpetual_begins)) AS begins
      FROM store.future x JOIN store.collected c ON c.currency = x.settlement_currency GROUP BY x.instrument_id, x.label, x.ends) AS f
JOIN store.instrument i USING (instrument_id)
LEFT JOIN LATERAL (
    SELECT b.day, least((b.day + 1)::timestamp AT TIME ZONE 'UTC', f.ends, f.perpetual_ends) AS until,
           (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = b.validation_id) AS published_at
    FROM store.basis_day b WHERE b.instrument_id = f.instrument_id AND b.state = 'published' ORDER BY b.day DESC LIMIT 1) AS n ON true
LEFT JOIN LATERAL store.first_open_minute(f.instrument_id, coalesce((n.day + 1)::timestamp AT TIME ZONE 'UTC', f.begins)) AS o
    ON o.ts < f.perpetual_ends
