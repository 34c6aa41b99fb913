-- The newest published beat of the summaries, of every collected currency that the exchange lists a future of. A beat that is missed is a
-- gap for good: a warning after one, an error after three; but not before five and fifteen minutes, because a restart takes that long.
-- Grain: currency. Reads only. Columns as of the candles' fresh.
SELECT 'instrument_summaries' AS dataset, c.currency AS instrument, coalesce(b.begins, k.known_since) AS begins, timestamptz 'infinity' AS ends, k.known_since,
       n.beat AS newest, n.beat AS until, n.published_at,
       w.beat AS cadence, greatest(w.beat, interval '5 minutes') AS warning_after, greatest(3 * w.beat, interval '15 minutes') AS error_after
FROM store.collected c JOIN store.currency_known k USING (currency)
LEFT JOIN store.snapshot_beat b ON b.dataset = 'instrument_summaries' AND b.ends = 'infinity'
CROSS JOIN LATERAL (SELECT make_interval(secs => coalesce(b.seconds, 60)) AS beat) AS w
LEFT JOIN LATERAL (
    SELECT s.beat, (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = s.validation_id) AS published_at
    FROM store.instrument_summary s WHERE s.currency = c.currency AND s.state = 'published' ORDER BY s.beat DESC LIMIT 1) AS n ON true
WHERE EXISTS (SELECT FROM store.catalogue_reading r
              WHERE r.currency = c.currency AND r.kind = 'future' AND NOT r.expired AND r.instruments > 0)
