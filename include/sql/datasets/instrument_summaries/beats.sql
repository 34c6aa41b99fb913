-- The beats of which there is a snapshot, as stretches of minutes that are all beats, from the first to the last: of a folded day few,
-- of others one a beat. Grain: currency, stretch. Reads only.
SELECT 'instrument_summaries' AS dataset, currency, beat AS first_beat, beat AS last_beat FROM store.instrument_summary
UNION ALL
SELECT 'instrument_summaries', d.currency, e.begins + lower(s) * interval '1 minute', e.begins + (upper(s) - 1) * interval '1 minute'
FROM store.summary_day d
CROSS JOIN LATERAL (SELECT d.day::timestamp AT TIME ZONE 'UTC' AS begins, cardinality(d.minutes) AS n,
                           int4range(d.minutes[1], d.minutes[cardinality(d.minutes)], '[]') AS span) AS e
CROSS JOIN LATERAL unnest(int4multirange(e.span) - coalesce((
    -- the minutes ascend: a day with as many as it spans has no gap, and is not looked at one by one
    SELECT range_agg(int4range(p.minute + 1, p.next))
    FROM unnest(d.minutes[:e.n - 1], d.minutes[2:]) AS p(minute, next)
    WHERE e.n < upper(e.span) - lower(e.span) AND p.next > p.minute + 1), '{}')) AS s
