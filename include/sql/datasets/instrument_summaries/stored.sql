-- What is stored of the summaries, by month: beats with a snapshot. Grain: currency, stretch of time with one length of beats,
-- month. Reads only.
SELECT 'instrument_summaries' AS kind, s.currency || ' every ' || s.seconds || ' s' AS subject, s.month,
       sum(s.present)::bigint AS present, sum(s.published)::bigint AS published_minutes, 0::bigint AS unreferenced_days
FROM (
    SELECT s.currency, b.seconds, date_trunc('month', s.beat, 'UTC')::date AS month,
           count(DISTINCT date_bin(make_interval(secs => b.seconds), s.beat, '2000-01-01 00:00+00')) AS present,
           count(DISTINCT date_bin(make_interval(secs => b.seconds), s.beat, '2000-01-01 00:00+00')) FILTER (WHERE s.published) AS published
    -- the first and the published ones are each read from an index, for the rows are wide
    FROM (SELECT currency, beat, false AS published FROM store.instrument_summary
          UNION ALL SELECT currency, beat, true FROM store.instrument_summary WHERE state = 'published') AS s
    JOIN store.snapshot_beat b ON b.dataset = 'instrument_summaries' AND s.beat >= b.begins AND s.beat < b.ends
    GROUP BY s.currency, b.seconds, 3
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
    WHERE n.beats > 0
) AS s
GROUP BY s.currency, s.seconds, s.month
