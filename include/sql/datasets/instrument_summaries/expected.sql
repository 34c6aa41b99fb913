-- What there should be of the summaries: a snapshot a beat and currency, from the currency's first one to the newest beat that is
-- over, or of which there is one. Grain: currency, stretch of time with one length of beats. Reads only. Columns as of the candles' expected.
SELECT 'instrument_summaries' AS kind, b.dataset, f.currency || ' every ' || b.seconds || ' s' AS subject, f.currency AS instrument,
       NULL::text AS settlement_period, greatest(b.begins, date_bin(make_interval(secs => b.seconds), f.beat, '2000-01-01 00:00+00')) AS begins,
       least(b.ends, greatest(date_bin(make_interval(secs => b.seconds), now(), '2000-01-01 00:00+00'), f.newest + make_interval(secs => b.seconds))) AS ends,
       b.seconds, false AS loadable, NULL::text AS fetched_as
FROM store.snapshot_beat b
CROSS JOIN (
    SELECT currency, min(beat) AS beat, max(newest) AS newest
    FROM (SELECT currency, min(beat) AS beat, max(beat) AS newest FROM store.instrument_summary GROUP BY currency
          UNION ALL
          -- the minutes of a folded day ascend
          SELECT d.currency, e.begins + d.minutes[1] * interval '1 minute', e.begins + d.minutes[cardinality(d.minutes)] * interval '1 minute'
          FROM store.summary_day d CROSS JOIN LATERAL (SELECT d.day::timestamp AT TIME ZONE 'UTC' AS begins) AS e) AS s
    GROUP BY currency) AS f
WHERE b.dataset = 'instrument_summaries'
