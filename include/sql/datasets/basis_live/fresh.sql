-- Until when the basis of open days is shown, of every dated future of which live has brought minutes: to the newest minute of which both
-- legs are published and the pair is not held back. It is validated with the later leg, so it may take a minute more than they; where
-- it stands still alone, its pairs are held back. It is looked for in the newest two hours of minutes: what has none in them is stale
-- whenever its last one was. Grain: future. Reads only. Columns as of the candles' fresh.
SELECT 'basis_live' AS dataset, f.label AS instrument, greatest(f.listed_at, c.since, f.perpetual_begins) AS begins,
       least(f.ends, f.perpetual_ends) AS ends, i.first_seen_at AS known_since,
       coalesce(n.ts, (SELECT least((b.day + 1)::timestamp AT TIME ZONE 'UTC', f.ends) - interval '1 minute' FROM store.basis_day b
                       WHERE b.instrument_id = f.instrument_id AND b.state = 'published' ORDER BY b.day DESC LIMIT 1)) AS newest,
       coalesce(n.ts + interval '1 minute', (SELECT o.ts FROM store.open_candle o
                                             WHERE o.instrument_id = f.instrument_id AND o.state = 'published' AND o.ts > k.since
                                             ORDER BY o.ts LIMIT 1)) AS until,
       (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = n.validation_id) AS published_at,
       interval '1 minute' AS cadence, interval '6 minutes' AS warning_after, interval '31 minutes' AS error_after
FROM store.future f JOIN store.instrument i USING (instrument_id)
JOIN store.collected c ON c.currency = f.settlement_currency
CROSS JOIN LATERAL (
    SELECT o.ts - interval '2 hours' AS since FROM store.open_candle o
    WHERE o.instrument_id = f.instrument_id AND o.state = 'published' ORDER BY o.ts DESC LIMIT 1) AS k
LEFT JOIN LATERAL (
    SELECT o.ts, greatest(o.validation_id, p.validation_id) AS validation_id
    FROM store.open_candle o
    JOIN store.open_candle p ON p.instrument_id = f.perpetual_id AND p.ts = o.ts AND p.ts > k.since AND p.state = 'published'
    WHERE o.instrument_id = f.instrument_id AND o.state = 'published' AND o.ts > k.since
      AND NOT EXISTS (SELECT FROM store.held_basis h
                      WHERE h.instrument_id = o.instrument_id AND h.ts = o.ts AND h.future_version_id = o.version_id
                        AND h.perpetual_version_id = p.version_id AND upper_inf(h.held))
    ORDER BY o.ts DESC LIMIT 1) AS n ON true
WHERE (now() AT TIME ZONE 'UTC')::date >= f.from_day AND (now() AT TIME ZONE 'UTC')::date < f.past_day
