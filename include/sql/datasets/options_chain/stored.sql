-- What is stored of the option chains, by month: beats with a snapshot. Grain: currency, stretch of time with one length of beats,
-- month. Reads only.
SELECT 'options_chain' AS kind, c.currency || ' every ' || b.seconds || ' s' AS subject, b.month, taken.beats AS present,
       shown.beats AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT currency, min(beat) AS first, max(beat) AS last FROM store.option_chain GROUP BY currency) AS c
CROSS JOIN LATERAL store.beat_months('options_chain', c.first, c.last) AS b
-- an index has the beats of a currency in order, so the rows of its expiries are told apart without sorting
CROSS JOIN LATERAL (SELECT count(DISTINCT date_bin(b.length, s.beat, '2000-01-01 00:00+00')) AS beats
                    FROM (SELECT DISTINCT o.beat FROM store.option_chain o
                          WHERE o.currency = c.currency AND o.beat >= b.begins AND o.beat < b.ends) AS s) AS taken
CROSS JOIN LATERAL (SELECT count(DISTINCT date_bin(b.length, s.beat, '2000-01-01 00:00+00')) AS beats
                    FROM (SELECT DISTINCT o.beat FROM store.option_chain o
                          WHERE o.state = 'published' AND o.currency = c.currency AND o.beat >= b.begins AND o.beat < b.ends) AS s) AS shown
WHERE taken.beats > 0
