-- Expected, present and published minutes (funding: hours) of every dataset, instrument (index_prices: index) and closed
-- month. Expected is what its lifetime has of the month, by the catalogue and the collected currencies, whether anything of it
-- was ever loaded or not; present is in the newest version of each day. unreferenced_days are published though there was
-- nothing to check their level against.
CREATE VIEW coverage AS
    WITH lifetime AS (
        SELECT l.*, greatest(l.begins, c.since) AS counts_from,
               least(l.ends, date_trunc('month', now(), 'UTC')) AS counts_to
        FROM store.lifetime l JOIN store.collected c ON c.currency = l.settlement_currency
    ), expected AS (
        SELECT 1 AS source, CASE WHEN perpetual THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset,
               instrument_id AS subject_id, label AS instrument, settlement_period, counts_from AS begins, counts_to AS ends, 60 AS seconds
        FROM lifetime
        UNION ALL
        -- hours are told at their end; one that was never found is expected from the listing on
        SELECT 2, 'funding_rates', l.instrument_id, l.label, l.settlement_period,
               greatest(l.counts_from, coalesce(s.first_hour - interval '1 hour', date_trunc('hour', l.begins, 'UTC'))),
               date_trunc('hour', least(l.counts_to, l.funding_ends), 'UTC'), 3600
        FROM lifetime l LEFT JOIN store.funding_start s USING (instrument_id) WHERE l.perpetual
        UNION ALL
        SELECT 3, 'index_prices', x.perpetual_id, x.index_name, NULL,
               greatest(l.counts_from, x.from_day::timestamp AT TIME ZONE 'UTC'), least(l.counts_to, x.past_day::timestamp AT TIME ZONE 'UTC'), 60
        FROM store.index_proxy x JOIN lifetime l ON l.instrument_id = x.perpetual_id
        UNION ALL
        -- of each future the days on which it has a perpetual
        SELECT 4, 'basis_spread', l.instrument_id, l.label, l.settlement_period,
               greatest(l.counts_from, min(greatest(f.perpetual_begins, f.from_day::timestamp AT TIME ZONE 'UTC'))),
               least(l.counts_to, max(least(f.perpetual_ends, f.past_day::timestamp AT TIME ZONE 'UTC'))), 60
        FROM lifetime l JOIN store.future f USING (instrument_id)
        GROUP BY l.instrument_id, l.label, l.settlement_period, l.counts_from, l.counts_to
    ), months AS (
        SELECT e.source, e.dataset, e.subject_id, e.instrument, e.settlement_period, m.at::date AS month,
               (extract(epoch FROM least(e.ends, (m.at + interval '1 month') AT TIME ZONE 'UTC')
                                   - greatest(e.begins, m.at AT TIME ZONE 'UTC')) / e.seconds)::bigint AS minutes
        FROM expected e
        CROSS JOIN LATERAL generate_series(date_trunc('month', e.begins AT TIME ZONE 'UTC'),
                                           e.ends AT TIME ZONE 'UTC' - interval '1 minute', interval '1 month') AS m(at)
        WHERE e.begins < e.ends
    ), stored AS (
        SELECT source, subject_id, month, sum(present) AS present, sum(published_days) AS published_days,
               sum(published_minutes) AS published_minutes, sum(unreferenced_days) AS unreferenced_days
        -- what is published is present; of a version that is not, and the newest there is, what it has more than that
        FROM (SELECT 1 AS source, instrument_id AS subject_id, date_trunc('month', day::timestamp)::date AS month, sum(present) AS present,
                     count(*) AS published_days, sum(present) AS published_minutes, count(*) FILTER (WHERE reference = 'none') AS unreferenced_days
              FROM store.candle_day WHERE state = 'published' GROUP BY 2, 3
              UNION ALL
              SELECT 1, c.instrument_id, date_trunc('month', c.day::timestamp)::date, sum(c.present - coalesce(p.present, 0)), 0, 0, 0
              FROM store.candle_day c
              LEFT JOIN store.candle_day p ON p.instrument_id = c.instrument_id AND p.day = c.day AND p.state = 'published'
              WHERE c.state IN ('pending', 'held') AND NOT EXISTS (
                  SELECT FROM store.candle_day n WHERE n.instrument_id = c.instrument_id AND n.day = c.day AND n.version_id > c.version_id)
              GROUP BY 2, 3
              UNION ALL
              -- an hour that ends at midnight belongs to the day it ends
              SELECT 2, instrument_id, date_trunc('month', day, 'UTC')::date, sum(hours), count(*), sum(hours), 0
              FROM (SELECT instrument_id, date_bin('1 day', ts - interval '1 microsecond', '2000-01-01 00:00+00') AS day, count(*) AS hours
                    FROM store.funding_rate WHERE state = 'published' GROUP BY 1, 2) AS days
              GROUP BY 2, 3
              UNION ALL
              SELECT 2, f.instrument_id, date_trunc('month', f.ts AT TIME ZONE 'UTC' - interval '1 microsecond')::date, count(*), 0, 0, 0
              FROM store.funding_rate f
              WHERE f.state IN ('pending', 'held') AND NOT EXISTS (
                  SELECT FROM store.funding_rate n
                  WHERE n.instrument_id = f.instrument_id AND n.ts = f.ts AND (n.state = 'published' OR n.version_id > f.version_id))
              GROUP BY 2, 3
              UNION ALL
              SELECT 3, x.perpetual_id, date_trunc('month', x.day::timestamp)::date, sum(m.known),
                     count(*) FILTER (WHERE x.state = 'published'), coalesce(sum(m.known) FILTER (WHERE x.state = 'published'), 0), 0
              FROM store.index_day x
              LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
              CROSS JOIN LATERAL (SELECT coalesce(p.present, cardinality(array_remove(x.hourly, NULL))) AS known) AS m
              WHERE x.state = 'published' OR x.state IN ('pending', 'held') AND NOT EXISTS (
                  SELECT FROM store.index_day n WHERE n.index_name = x.index_name AND n.day = x.day AND (n.state = 'published' OR n.version_id > x.version_id))
              GROUP BY 2, 3
              UNION ALL
              SELECT 4, instrument_id, date_trunc('month', day::timestamp)::date, sum(minutes), count(*), sum(minutes), 0
              FROM store.basis_day WHERE state = 'published' GROUP BY 2, 3
              UNION ALL
              SELECT 4, b.instrument_id, date_trunc('month', b.day::timestamp)::date, sum(b.minutes), 0, 0, 0
              FROM store.basis_day b
              WHERE b.state IN ('pending', 'held') AND NOT EXISTS (
                  SELECT FROM store.basis_day n
                  WHERE n.instrument_id = b.instrument_id AND n.day = b.day AND (n.state = 'published' OR n.version_id > b.version_id))
              GROUP BY 2, 3) AS parts
        GROUP BY source, subject_id, month
    )
    SELECT m.dataset, m.instrument, m.settlement_period, m.month, m.minutes, coalesce(s.present, 0)::bigint AS present,
           m.minutes - coalesce(s.present, 0)::bigint AS missing,
           coalesce(s.published_days, 0)::bigint AS published_days, coalesce(s.published_minutes, 0)::bigint AS published_minutes,
           coalesce(s.unreferenced_days, 0)::bigint AS unreferenced_days
    FROM months m LEFT JOIN stored s USING (source, subject_id, month);

-- Months of which something is expected, and of an instrument nothing is published and nothing is held back: never
-- loaded, or taken back since. A run of the month's history brings it.
CREATE VIEW unloaded AS
    SELECT c.dataset, c.month, array_agg(c.instrument ORDER BY c.instrument) AS instruments
    FROM coverage c
    WHERE c.dataset IN ('perpetuals_ohlcv', 'futures_ohlcv', 'funding_rates') AND c.published_minutes = 0
      -- what is not known to exist can't be waited for
      AND (c.dataset <> 'funding_rates' OR EXISTS (SELECT FROM store.funding_start s JOIN store.instrument i USING (instrument_id)
                                                   WHERE i.label = c.instrument))
      AND NOT EXISTS (SELECT FROM store.quarantine q
                      WHERE q.dataset = c.dataset AND q.subject = c.instrument AND q.closed_by IS NULL
                        AND q.day >= c.month AND q.day < (c.month + interval '1 month')::date)
    GROUP BY c.dataset, c.month;
