-- The closes at the ends of a day's 24 hours, as something to calculate with: element k is that of the minute that ends
-- k hours after midnight. (The slice takes the array out of its compression once, not 24 times.)
CREATE FUNCTION store.hourly(elements float8[], first integer) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(store.price(e.elements[k * 60 - first]) ORDER BY k)
    FROM (SELECT elements[1 : 1440] AS elements OFFSET 0) AS e CROSS JOIN generate_series(1, 24) AS k
$$;

-- How far two prices are apart, as a fraction of the smaller one; NULL where one is unknown.
CREATE FUNCTION store.symmetric_distance(one float8, other float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN one IS NOT NULL AND other IS NOT NULL THEN store.relative_distance(greatest(one, other), least(one, other)) END
$$;

-- The level of a coin at the ends of a day's hours, as its three sources have it: the perpetual's candles, the true index
-- in its funding history, and the median of the dated futures that are measured against it. Always the newest version
-- stored, published or not, so that no dataset waits for another one's outcome.
--   perpetual_off, index_off: which of two that disagree is wrong. The perpetual and the index disagree over 25 %: a crash
--   takes them several per cent apart, another coin or unit is far beyond. Futures have a basis, at most 5.2 % in what is
--   known, and may be stale: they disagree over 50 %. The third source settles it: the one farther from it is wrong, and
--   the other one too if it disagrees with the third as well. Without a third both are held back.
-- Asked for many perpetuals and days [first, past) at once: which futures are measured against which perpetual is asked once.
CREATE FUNCTION store.levels(perpetual_ids integer[], first date, past date)
RETURNS TABLE (perpetual_id integer, day date, hour integer, perpetual float8, index_price float8, futures float8,
               perpetual_off boolean, index_off boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH contract AS MATERIALIZED (
        SELECT f.instrument_id, f.perpetual_id, f.from_day, f.past_day FROM store.future f
        WHERE f.perpetual_id = ANY(levels.perpetual_ids) AND f.from_day < levels.past AND f.past_day > levels.first
    ), keys AS MATERIALIZED (
        SELECT p.id, d::date AS day FROM unnest(levels.perpetual_ids) AS p(id)
        CROSS JOIN generate_series(levels.first::timestamp, levels.past::timestamp - interval '1 day', interval '1 day') AS d
    ), futures AS MATERIALIZED (
        SELECT f.perpetual_id, k::date AS day, u.hour, percentile_cont(0.5) WITHIN GROUP (ORDER BY u.price) AS price
        FROM contract f
        CROSS JOIN generate_series(greatest(f.from_day, levels.first)::timestamp,
                                   least(f.past_day, levels.past)::timestamp - interval '1 day', interval '1 day') AS k
        CROSS JOIN LATERAL (SELECT v.fresh, store.hourly(v.close, v.first_minute) AS prices FROM store.candle_day v
                            WHERE v.instrument_id = f.instrument_id AND v.day = k::date ORDER BY v.version_id DESC LIMIT 1) AS c
        CROSS JOIN LATERAL unnest(c.prices) WITH ORDINALITY AS u(price, hour)
        WHERE u.price IS NOT NULL AND position(B'1' IN c.fresh) > 0
        GROUP BY 1, 2, 3
    ), perpetuals AS MATERIALIZED (
        -- a price nothing traded at for an hour says nothing of the level
        SELECT k.id, k.day, u.hour, CASE WHEN position(B'1' IN substring(c.fresh FROM u.hour::integer * 60 - 59 FOR 60)) > 0 THEN u.price END AS price
        FROM keys k
        CROSS JOIN LATERAL (SELECT v.fresh, store.hourly(v.close, v.first_minute) AS prices FROM store.candle_day v
                            WHERE v.instrument_id = k.id AND v.day = k.day ORDER BY v.version_id DESC LIMIT 1) AS c
        CROSS JOIN LATERAL unnest(c.prices) WITH ORDINALITY AS u(price, hour)
    ), index_hours AS MATERIALIZED (
        SELECT DISTINCT ON (v.instrument_id, v.ts) v.instrument_id AS id, (h.ended - interval '1 hour')::date AS day,
               extract(hour FROM h.ended - interval '1 hour') + 1 AS hour, store.price(v.index_price) AS price
        FROM store.funding_rate v CROSS JOIN LATERAL (SELECT v.ts AT TIME ZONE 'UTC' AS ended) AS h
        WHERE v.instrument_id = ANY(levels.perpetual_ids) AND v.ts > levels.first::timestamp AT TIME ZONE 'UTC'
          AND v.ts <= levels.past::timestamp AT TIME ZONE 'UTC' AND v.ts = date_trunc('hour', v.ts, 'UTC')
        ORDER BY v.instrument_id, v.ts, v.version_id DESC
    ), distances AS (
        SELECT s.*, store.symmetric_distance(s.perpetual, s.index_price) AS pi, store.symmetric_distance(s.perpetual, s.futures) AS pf,
               store.symmetric_distance(s.index_price, s.futures) AS xf
        FROM (SELECT k.id, k.day, h AS hour, p.price AS perpetual, i.price AS index_price, f.price AS futures
              FROM keys k CROSS JOIN generate_series(1, 24) AS h
              LEFT JOIN perpetuals p ON p.id = k.id AND p.day = k.day AND p.hour = h
              LEFT JOIN index_hours i ON i.id = k.id AND i.day = k.day AND i.hour = h
              LEFT JOIN futures f ON f.perpetual_id = k.id AND f.day = k.day AND f.hour = h OFFSET 0) AS s
    )
    SELECT a.id, a.day, a.hour, a.perpetual, a.index_price, a.futures,
           CASE WHEN a.pi > 0.25 THEN coalesce(a.pf > 0.5 OR a.pf >= a.xf, true)
                ELSE a.index_price IS NULL AND coalesce(a.pf > 0.5, false) END,
           CASE WHEN a.pi > 0.25 THEN coalesce(a.xf > 0.5 OR a.xf >= a.pf, true)
                ELSE a.perpetual IS NULL AND coalesce(a.xf > 0.5, false) END
    FROM distances a
$$;

-- What disagrees, in words for a finding.
CREATE FUNCTION store.disagreement(hour integer, perpetual float8, index_price float8, futures float8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT format('at %s:00 UTC the perpetual''s candle says %s, the index in its funding %s, the futures %s', lpad(hour::text, 2, '0'),
                  coalesce(perpetual::text, 'nothing'), coalesce(index_price::text, 'nothing'), coalesce(futures::text, 'nothing'))
$$;

-- Whether the exchange has answered for a whole window of an instrument, rows or none.
CREATE FUNCTION store.was_fetched(instrument_id integer, what text, "from" timestamptz, "to" timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT "from" >= "to" OR EXISTS (SELECT FROM store.fetched a WHERE a.instrument_id = was_fetched.instrument_id AND a.what = was_fetched.what
                                       AND a.windows @> CASE WHEN "from" < "to" THEN tstzrange("from", "to") END)
$$;

-- What is held back right now, and why.
CREATE VIEW quarantined AS
    SELECT q.dataset, q.subject AS instrument, q.day, q.ts, q.rule, q.severity, q.observed, q.waived_reason,
           q.validation_id, v.validated_at, v.dag_id, v.run_id
    FROM store.quarantine q JOIN store.validation v USING (validation_id)
    WHERE q.closed_by IS NULL AND q.severity = 'critical' AND q.waived_reason IS NULL;

-- Everything a rule ever had to say, warnings, waivers and closed cases included.
CREATE VIEW quality_findings AS
    SELECT q.dataset, q.subject AS instrument, q.day, q.ts, q.rule, q.severity, q.observed, q.waived_reason,
           q.validation_id, v.validated_at, v.dag_id, v.run_id, q.closed_by, q.closed_by IS NULL AS is_open
    FROM store.quarantine q JOIN store.validation v USING (validation_id);

-- Tasks that wait for something that will come and are asked again by themselves: what for, since when, and what the
-- last asking brought.
CREATE VIEW waiting AS
    SELECT dag_id, run_id, task_id, map_index, label, awaited, since, asked_at, next_at, cause
    FROM store.waiting WHERE next_at > now() - interval '1 hour';

CREATE VIEW validations AS
    SELECT validation_id, dataset, dag_id, run_id, interval_from, interval_to, validated_at, outcome, suite,
           rows_checked, minutes AS expected, missing, blocked_because
    FROM store.validation;

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
        SELECT 1 AS source, instrument_id AS subject_id, date_trunc('month', day::timestamp)::date AS month,
               -- a version that is not published yet is newer than the published one
               sum(present - CASE WHEN validation_id IS NULL THEN coalesce(
                   (SELECT p.present FROM store.candle_day p WHERE p.instrument_id = c.instrument_id AND p.day = c.day
                    AND p.validation_id IS NOT NULL), 0) ELSE 0 END) AS present,
               count(validation_id) AS published_days,
               coalesce(sum(present) FILTER (WHERE validation_id IS NOT NULL), 0) AS published_minutes,
               count(*) FILTER (WHERE validation_id IS NOT NULL AND reference = 'none') AS unreferenced_days
        FROM store.candle_day c GROUP BY 2, 3
        UNION ALL
        -- an hour that ends at midnight belongs to the day it ends
        SELECT 2, instrument_id, date_trunc('month', day::timestamp)::date,
               sum(present), count(*) FILTER (WHERE published > 0), sum(published), 0
        FROM (SELECT instrument_id, (ts AT TIME ZONE 'UTC' - interval '1 microsecond')::date AS day, count(validation_id) AS published,
                     count(*) FILTER (WHERE validation_id IS NOT NULL OR NOT EXISTS (
                         SELECT FROM store.funding_rate p
                         WHERE p.instrument_id = f.instrument_id AND p.ts = f.ts AND p.validation_id IS NOT NULL)) AS present
              FROM store.funding_rate f GROUP BY 1, 2) AS days
        GROUP BY 2, 3
        UNION ALL
        SELECT 3, x.perpetual_id, date_trunc('month', x.day::timestamp)::date,
               sum(m.known), count(*) FILTER (WHERE x.published), coalesce(sum(m.known) FILTER (WHERE x.published), 0), 0
        FROM store.index_day x
        LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
        CROSS JOIN LATERAL (SELECT coalesce(p.present, cardinality(array_remove(x.hourly, NULL))) AS known) AS m
        WHERE p.validation_id IS NOT NULL OR x.perpetual_version_id IS NULL GROUP BY 2, 3
        UNION ALL
        SELECT 4, instrument_id, date_trunc('month', day::timestamp)::date,
               sum(minutes), count(*) FILTER (WHERE published), coalesce(sum(minutes) FILTER (WHERE published), 0), 0
        FROM store.basis_day GROUP BY 2, 3
    )
    SELECT m.dataset, m.instrument, m.settlement_period, m.month, m.minutes, coalesce(s.present, 0)::bigint AS present,
           m.minutes - coalesce(s.present, 0)::bigint AS missing,
           coalesce(s.published_days, 0) AS published_days, coalesce(s.published_minutes, 0)::bigint AS published_minutes,
           coalesce(s.unreferenced_days, 0) AS unreferenced_days
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

-- Where every version of every instrument-day came from.
CREATE VIEW provenance AS
    SELECT i.label AS instrument, c.day, c.version_id, l.dataset, l.host, l.run_id, l.loaded_at, c.validation_id, v.validated_at,
           v.run_id AS validated_by_run, c.present, c.n AS minutes
    FROM store.candle_day c JOIN store.instrument i USING (instrument_id) JOIN store.ingestion l USING (version_id)
    LEFT JOIN store.validation v USING (validation_id);
