-- What is stored of the summaries, by month: beats with a snapshot. Grain: currency, stretch of time with one length of beats,
-- month. Reads only.
SELECT 'instrument_summaries' AS kind, s.currency || ' every ' || s.seconds || ' s' AS subject, s.month,
       sum(s.present)::bigint AS present, sum(s.published)::bigint AS published_minutes, 0::bigint AS unreferenced_days
FROM (
    SELECT c.currency, b.seconds, b.month, taken.beats AS present, shown.beats AS published
    FROM (SELECT currency, min(beat) AS first, max(beat) AS last FROM store.instrument_summary GROUP BY currency) AS c
    CROSS JOIN LATERAL store.beat_months('instrument_summaries', c.first, c.last) AS b
    -- an index has the beats of a currency in order, so they need no sorting
    CROSS JOIN LATERAL (SELECT count(DISTINCT date_bin(b.length, s.beat, '2000-01-01 00:00+00')) AS beats
                        FROM store.instrument_summary s
                        WHERE s.currency = c.currency AND s.beat >= b.begins AND s.beat < b.ends) AS taken
    CROSS JOIN LATERAL (SELECT count(DISTINCT date_bin(b.length, s.beat, '2000-01-01 00:00+00')) AS beats
                        FROM store.instrument_summary s
                        WHERE s.state = 'published' AND s.currency = c.currency AND s.beat >= b.begins AND s.beat < b.ends) AS shown
    UNION ALL
    -- a folded beat has no other version: a day is counted as it is, and its minutes only where the length of beats changed in it
    SELECT d.currency, b.seconds, date_trunc('month', d.day::timestamp)::date, n.beats, n.beats
    FROM store.summary_day d
    CROSS JOIN LATERAL (SELECT d.day::timestamp AT TIME ZONE 'UTC' AS begins, (d.day + 1)::timestamp AT TIME ZONE 'UTC' AS ends) AS e
    JOIN store.snapshot_beat b ON b.dataset = 'instrument_summaries' AND b.begins < e.ends AND b.ends > e.begins
    CROSS JOIN LATERAL (
        SELECT CASE WHEN b.begins <= e.begins AND b.ends >= e.ends THEN cardinality(d.minutes)
                    ELSE (SELECT count(*) FROM unnest(d.minutes) AS m
                          WHERE e.begins + m * interval '1 minute' >= b.begins AND e.begins + m * interval '1 minute' < b.ends) END AS beats) AS n
) AS s
WHERE s.present > 0
GROUP BY s.currency, s.seconds, s.month
