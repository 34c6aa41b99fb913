-- Until when there are published settlements of every perpetual and dated future: that of 08:00 UTC is followed by the next day's.
-- Grain: instrument. Reads only. Columns as of the candles' fresh.
SELECT 'settlements' AS dataset, l.label AS instrument,
       ((l.counts_from - interval '8 hours') AT TIME ZONE 'UTC')::date::timestamp AT TIME ZONE 'UTC' + interval '1 day' AS begins,
       l.ends, i.first_seen_at AS known_since,
       n.settled_at AS newest, (n.day + time '08:00') AT TIME ZONE 'UTC' + interval '1 day' AS until, n.published_at,
       interval '1 month' AS cadence, interval '1 day' AS warning_after, interval '3 days' AS error_after
FROM store.collected_lifetime l JOIN store.instrument i USING (instrument_id)
LEFT JOIN LATERAL (
    SELECT s.settled_at, s.day, (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = s.validation_id) AS published_at
    FROM store.settlement s WHERE s.instrument_id = l.instrument_id AND s.state = 'published' ORDER BY s.day DESC LIMIT 1) AS n ON true
