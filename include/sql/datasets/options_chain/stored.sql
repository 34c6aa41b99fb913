-- What is stored of the option chains, by month: beats with a snapshot. Grain: currency, stretch of time with one length of beats,
-- month. Reads only.
SELECT 'options_chain' AS kind, s.currency || ' every ' || b.seconds || ' s' AS subject,
       date_trunc('month', s.beat, 'UTC')::date AS month,
       count(DISTINCT date_bin(make_interval(secs => b.seconds), s.beat, '2000-01-01 00:00+00')) AS present,
       count(DISTINCT date_bin(make_interval(secs => b.seconds), s.beat, '2000-01-01 00:00+00'))
           FILTER (WHERE s.state = 'published') AS published_minutes, 0::bigint AS unreferenced_days
FROM store.option_chain s
JOIN store.snapshot_beat b ON b.dataset = 'options_chain' AND s.beat >= b.begins AND s.beat < b.ends
GROUP BY s.currency, b.seconds, 3
