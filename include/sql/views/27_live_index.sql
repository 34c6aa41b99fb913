-- What live showed of an index on each closed day that it was there for, beside what the closed day says of it. As the summaries are kept
-- for good, so is this. Live's is a sample of a moment, from ten seconds before the end of the minute to thirty after it, and the closed
-- day's, by hour and by chart, is the index at that end: so they differ by what the index moved in these seconds, and equal they are never
-- asked to be. What is counted as different lies more than 0.2 % outside of what the closed day says at the end of the minute before, of
-- the minute and of the one after, between which the sample was made. What the index does between them nobody publishes; 0.2 % is the
-- bound of the rule proxy-close-usual, and half of the range that 99 of 100 recorded minutes of a perpetual stay within.
-- Minutes for which the perpetual stands in on the closed day are none of the index. Grain: index, day.
CREATE VIEW live_index_days AS
    SELECT x.index_name, x.day, c.*
    FROM store.index_day x
    JOIN store.instrument i ON i.instrument_id = x.perpetual_id
    CROSS JOIN LATERAL (
        SELECT count(d.live)::integer AS live_minutes, count(d.closed)::integer AS closed_minutes,
               count(*) FILTER (WHERE d.live IS NULL AND d.closed IS NOT NULL)::integer AS missed,
               count(*) FILTER (WHERE d.closed IS NULL AND d.live IS NOT NULL)::integer AS only_live,
               count(*) FILTER (WHERE d.distance > 0.002)::integer AS different, max(d.distance) AS largest_distance
        FROM (SELECT n.closed, n.live,
                     CASE WHEN n.closed IS NULL OR n.live IS NULL THEN NULL
                          WHEN n.live BETWEEN n.lowest AND n.highest THEN 0
                          ELSE least(store.relative_distance(n.live, n.lowest), store.relative_distance(n.live, n.highest)) END AS distance
              FROM (SELECT m.closed, m.live,
                           least(m.closed, lag(m.closed) OVER by_time, lead(m.closed) OVER by_time) AS lowest,
                           greatest(m.closed, lag(m.closed) OVER by_time, lead(m.closed) OVER by_time) AS highest
                    FROM (SELECT coalesce(p.ts, t.beat - interval '1 minute') AS ts, p.price AS closed, t.price AS live
                          FROM (SELECT v.ts, v.price FROM store.index_prices_of(x.day, x.day + 1, NULL) AS v
                                WHERE v.index_name = x.index_name AND v.source <> 'perpetual_proxy') AS p
                          FULL JOIN (SELECT s.beat, s.price
                                     FROM store.index_told(x.index_name, i.settlement_currency, i.instrument, x.day, NULL) AS s) AS t
                                 ON t.beat = p.ts + interval '1 minute') AS m
                    WINDOW by_time AS (ORDER BY m.ts)) AS n) AS d) AS c
    -- before the first beat nothing was shown
    WHERE x.state = 'published' AND c.live_minutes > 0
      AND x.day >= (SELECT min(((b.begins - interval '1 minute') AT TIME ZONE 'UTC')::date) FROM store.snapshot_beat b
                    WHERE b.dataset = 'instrument_summaries');
