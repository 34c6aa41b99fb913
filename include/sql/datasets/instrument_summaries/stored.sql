-- What is stored of the summaries, by month: beats with a snapshot. Grain: currency, stretch of time with one length of beats,
-- month. Reads only.
SELECT 'instrument_summaries' AS kind, s.currency || ' every ' || b.seconds || ' s' AS subject,
       date_trunc('month', s.beat, 'UTC')::date AS month,
       count(DISTINCT date_bin(make_interval(secs => b.seconds), s.beat, '2000-01-01 00:00+00')) AS present,
       count(DISTINCT date_bin(make_interval(secs => b.seconds), s.beat, '2000-01-01 00:00+00'))
           FILTER (WHERE s.published) AS published_minutes, 0::bigint AS unreferenced_days
-- the first and the published ones are each read from an index, for the rows are wide
FROM (SELECT currency, beat, false AS published FROM store.instrument_summary
      UNION ALL SELECT currency, beat, true FROM store.summary_beat WHERE state = 'published') AS s
JOIN store.snapshot_beat b ON b.dataset = 'instrument_summaries' AND s.beat >= b.begins AND s.beat < b.ends
GROUP BY s.currency, b.seconds, 3
