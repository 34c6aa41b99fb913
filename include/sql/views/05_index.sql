-- Every version of every beat of the summaries, those of folded days (store.summary_day) among them.
CREATE VIEW store.summary_beat AS
    SELECT currency, beat, version_id, state, validation_id FROM store.instrument_summary
    UNION ALL
    SELECT d.currency, d.day::timestamp AT TIME ZONE 'UTC' + u.minute * interval '1 minute', u.version_id, 'published', u.validation_id
    FROM store.summary_day d
    CROSS JOIN LATERAL (SELECT unnest(d.minutes) AS minute, unnest(d.version_ids) AS version_id, unnest(d.validation_ids) AS validation_id) AS u;

-- What the summaries of a day said of an instrument's index, beat by beat after midnight up to the next one: as it is published, or was
-- at the time as_of. A beat is the end of the minute before it, a summary a sample of that moment: one that was made more than half a
-- minute after it (told_at, by the exchange's clock) is none.
CREATE FUNCTION store.index_samples(currency text, instrument text, day date, as_of timestamptz)
RETURNS TABLE (beat timestamptz, told_at timestamptz, price float8, validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- an array of one says the same of all
    SELECT s.beat, s.told_at[least(p.place, cardinality(s.told_at))], s.index_price[least(p.place, cardinality(s.index_price))],
           CASE WHEN index_samples.as_of IS NULL THEN s.validation_id ELSE store.published_by(s.shown, (SELECT store.as_of(index_samples.as_of))) END
    FROM store.instrument_summary s JOIN store.roster r USING (roster_id)
    CROSS JOIN LATERAL (SELECT array_position(r.instruments, index_samples.instrument) AS place) AS p
    WHERE s.currency = index_samples.currency AND p.place IS NOT NULL
      AND s.index_price[least(p.place, cardinality(s.index_price))] IS NOT NULL
      AND s.told_at[least(p.place, cardinality(s.told_at))] <= s.beat + interval '30 seconds'
      AND s.beat > index_samples.day::timestamp AT TIME ZONE 'UTC' AND s.beat <= (index_samples.day + 1)::timestamp AT TIME ZONE 'UTC'
      AND CASE WHEN index_samples.as_of IS NULL THEN s.state = 'published' ELSE s.shown @> (SELECT store.as_of(index_samples.as_of)) END
    UNION ALL
    SELECT t.beat, t.beat + u.told_ms * interval '1 millisecond', u.price, u.validation_id
    FROM store.summary_series y JOIN store.summary_day d USING (currency, day)
    CROSS JOIN LATERAL (SELECT unnest(d.minutes) AS minute, unnest(d.validation_ids) AS validation_id,
                               unnest(y.told_ms) AS told_ms, unnest(y.index_price) AS price) AS u
    CROSS JOIN LATERAL (SELECT d.day::timestamp AT TIME ZONE 'UTC' + u.minute * interval '1 minute' AS beat) AS t
    WHERE y.instrument = index_samples.instrument AND y.currency = index_samples.currency
      AND y.day IN (index_samples.day, index_samples.day + 1) AND u.told_ms <= 30000 AND u.price IS NOT NULL
      AND t.beat > index_samples.day::timestamp AT TIME ZONE 'UTC' AND t.beat <= (index_samples.day + 1)::timestamp AT TIME ZONE 'UTC'
      AND (index_samples.as_of IS NULL OR u.validation_id <= (SELECT store.as_of(index_samples.as_of)))
$$;

-- What the funding chart said of minutes of an open day that no summary told, after it was validated: as it is published, or was at the
-- time as_of. The price that passed last counts, until it is held back itself: one that it had taken the place of does not come back.
-- minute: of the day, whose END the price is of.
CREATE FUNCTION store.charted_minutes(index_name text, day date, as_of timestamptz)
RETURNS TABLE (minute smallint, price float8, validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT n.minute, n.price, n.validation_id
    FROM (SELECT DISTINCT ON (u.minute) u.minute, u.price, c.validation_id, c.is_held,
                 max(c.validation_id) FILTER (WHERE c.is_held) OVER (PARTITION BY u.minute, u.price) AS held_by
          FROM store.charted_index c CROSS JOIN LATERAL unnest(c.minutes, c.prices) AS u(minute, price)
          WHERE c.index_name = charted_minutes.index_name AND c.day = charted_minutes.day
            AND (charted_minutes.as_of IS NULL OR c.validation_id <= (SELECT store.as_of(charted_minutes.as_of)))
          -- false before true: what passed before what did not
          ORDER BY u.minute, c.is_held, c.validation_id DESC) AS n
    WHERE NOT n.is_held AND coalesce(n.held_by < n.validation_id, true)
$$;

-- What is known of an index on an open day, by the ends of its minutes (beats): what the summaries of its perpetual said (instrument, which
-- is settled in this currency), and where they said nothing the chart. told_at: the moment the price is of.
CREATE FUNCTION store.index_told(index_name text, currency text, instrument text, day date, as_of timestamptz)
RETURNS TABLE (beat timestamptz, told_at timestamptz, price float8, source text, validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT DISTINCT ON (n.beat) n.beat, n.told_at, n.price, n.source, n.validation_id
    FROM (SELECT s.beat, s.told_at, s.price, 'summary' AS source, s.validation_id, 1 AS place
          FROM store.index_samples(index_told.currency, index_told.instrument, index_told.day, index_told.as_of) AS s
          UNION ALL
          SELECT e.beat, e.beat, c.price, 'funding_chart', c.validation_id, 2
          FROM store.charted_minutes(index_told.index_name, index_told.day, index_told.as_of) AS c
          CROSS JOIN LATERAL (SELECT index_told.day::timestamp AT TIME ZONE 'UTC' + (c.minute + 1) * interval '1 minute' AS beat) AS e) AS n
    ORDER BY n.beat, n.place
$$;

-- The proxy of each index on the days [from_day, past_day): a perpetual on that index. If there are several, the oldest one is the
-- proxy until its lifetime is over.
CREATE VIEW store.index_proxy AS
    SELECT * FROM (
        SELECT l.price_index AS index_name, l.instrument_id AS perpetual_id, l.instrument AS perpetual, l.settlement_currency,
               l.begins, l.ends,
               greatest(l.first_day, max(l.past_day) OVER (PARTITION BY l.price_index ORDER BY l.begins, l.instrument_id
                                                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS from_day,
               l.past_day
        FROM store.lifetime l JOIN store.collected c ON c.currency = l.settlement_currency
        WHERE l.perpetual AND l.price_index IS NOT NULL) AS lifetimes
    WHERE from_day < past_day;

-- Every UTC day from "from" to before "to" (NULL: all), up to today, on which an index has a proxy.
CREATE FUNCTION store.index_days("from" date, "to" date)
RETURNS TABLE (index_name text, perpetual_id integer, day date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.index_name, x.perpetual_id, d::date
    FROM store.index_proxy x
    CROSS JOIN LATERAL generate_series(
        greatest(x.from_day, index_days."from")::timestamp,
        least(x.past_day, index_days."to", (now() AT TIME ZONE 'UTC')::date + 1)::timestamp - interval '1 day', interval '1 day') AS d
$$;

-- The index of the minutes of open days, from "from" to before "to" (NULL: all): those of which no day is published (or was, at the
-- time as_of). It is what the summaries said of the perpetual that stands for the index, for of a contract that expires the exchange
-- tells the mean it will be delivered at in its last half hour; and what the chart says of minutes that they do not. A minute that neither
-- tells has no row. Say the days where you can: each day is looked up by the beats in it.
CREATE FUNCTION store.open_index_of("from" date, "to" date, as_of timestamptz)
RETURNS TABLE (index_name text, ts timestamptz, price float8, source text, day date, told_at timestamptz, validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.index_name, s.beat - interval '1 minute', s.price, s.source, x.day, s.told_at, s.validation_id
    -- before the first beat there is nothing to look for: so a question of the history costs no more than it did
    FROM (SELECT min(((b.begins - interval '1 minute') AT TIME ZONE 'UTC')::date) AS day FROM store.snapshot_beat b
          WHERE b.dataset = 'instrument_summaries'
          HAVING min(((b.begins - interval '1 minute') AT TIME ZONE 'UTC')::date) < coalesce(open_index_of."to", 'infinity')) AS first
    CROSS JOIN LATERAL store.index_days(greatest(first.day, open_index_of."from"), open_index_of."to") AS x
    JOIN store.instrument i ON i.instrument_id = x.perpetual_id
    -- OFFSET 0: a day's summaries are looked up by their key
    CROSS JOIN LATERAL (SELECT * FROM store.index_told(x.index_name, i.settlement_currency, i.instrument, x.day, open_index_of.as_of) OFFSET 0) AS s
    WHERE NOT EXISTS (SELECT FROM store.index_day c
                      WHERE c.index_name = x.index_name AND c.day = x.day
                        AND CASE WHEN open_index_of.as_of IS NULL THEN c.state = 'published'
                                 ELSE c.shown @> (SELECT store.as_of(open_index_of.as_of)) END)
$$;

CREATE VIEW store.open_index_minute AS SELECT * FROM store.open_index_of(NULL, NULL, NULL);

-- The index of every minute of the days from "from" to before "to" (NULL: all), as it is published, or was published at the time
-- as_of: of closed days, and after them of open ones.
CREATE FUNCTION store.index_prices_of("from" date, "to" date, as_of timestamptz)
RETURNS TABLE (index_name text, ts timestamptz, price float8, source text, day date, proxy_error_p95 float8, validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.index_name, x.day::timestamp AT TIME ZONE 'UTC' + (w.first + m.i - 1) * interval '1 minute',
           coalesce(known.hourly, m.told, m.proxy),
           CASE WHEN known.hourly IS NOT NULL THEN 'funding_history'
                WHEN m.told IS NOT NULL AND get_bit(x.sampled, w.first + m.i - 1) = 1 THEN 'summary'
                WHEN m.told IS NOT NULL THEN 'funding_chart'
                WHEN m.proxy IS NOT NULL THEN 'perpetual_proxy' END,
           x.day, x.proxy_error_p95,
           CASE WHEN index_prices_of.as_of IS NULL THEN x.validation_id
                ELSE store.published_by(x.shown, (SELECT store.as_of(index_prices_of.as_of))) END
    FROM store.index_day x
    LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
    CROSS JOIN LATERAL (SELECT coalesce(p.first_minute, 0) AS first, coalesce(p.n, 1440) AS n OFFSET 0) AS w
    CROSS JOIN LATERAL (
        SELECT unnest(p.close) AS proxy, unnest(store.slice_minutes(x.minutes, 0, w.first, w.n)) AS told,
               generate_series(1, w.n) AS i) AS m
    CROSS JOIN LATERAL (SELECT CASE WHEN (w.first + m.i) % 60 = 0 THEN x.hourly[(w.first + m.i) / 60] END AS hourly) AS known
    WHERE ("from" IS NULL OR x.day >= "from") AND ("to" IS NULL OR x.day < "to")
      AND CASE WHEN index_prices_of.as_of IS NULL THEN x.state = 'published' ELSE x.shown @> (SELECT store.as_of(index_prices_of.as_of)) END
      -- a time that store.as_of() refuses is an error even if there are no rows
      AND (index_prices_of.as_of IS NULL OR (SELECT store.as_of(index_prices_of.as_of)) IS NOT NULL)
    UNION ALL
    SELECT o.index_name, o.ts, o.price, o.source, o.day, NULL, o.validation_id
    FROM store.open_index_of(index_prices_of."from", index_prices_of."to", index_prices_of.as_of) AS o
$$;

-- The index of every minute: ts is the bucket start, price the index at the bucket's END. source says whether
-- it is the index itself or the close of the perpetual that stands in for it. On a closed day for which no day of the perpetual is
-- published, only minutes with a known index have a price; of an open day a minute that is not known has no row.
CREATE VIEW index_prices AS SELECT * FROM store.index_prices_of(NULL, NULL, NULL);

-- How many minutes of an index's published days come from where (index_prices.source). Grain: index, day, source. A day of which
-- the perpetual has every minute, and no chart or summary has any, is counted without making rows of its minutes: nearly all days
-- of the history are like that.
CREATE VIEW store.index_day_source AS
    SELECT x.index_name, x.day, s.source, s.minutes
    FROM store.index_day x
    LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
    CROSS JOIN LATERAL (
        SELECT k.source, k.minutes
        FROM (SELECT count(*) AS hours FROM unnest(x.hourly) WITH ORDINALITY AS u(price, k)
              WHERE u.price IS NOT NULL AND u.k * 60 > p.first_minute AND u.k * 60 <= p.first_minute + p.n) AS h
        CROSS JOIN LATERAL (VALUES ('funding_history', h.hours), ('perpetual_proxy', p.n - h.hours)) AS k(source, minutes)
        WHERE x.minutes IS NULL AND p.present = p.n AND k.minutes > 0
        UNION ALL
        SELECT m.source, count(*) FROM store.index_prices_of(x.day, x.day + 1, NULL) AS m
        WHERE (x.minutes IS NULL AND p.present = p.n) IS NOT TRUE AND m.index_name = x.index_name AND m.source IS NOT NULL
        GROUP BY m.source) AS s
    WHERE x.state = 'published';

-- One index with from <= ts < to, in order of time: as it is published, or was published at the time as_of.
CREATE FUNCTION index_price(index_name text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL)
RETURNS SETOF index_prices
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.*
    FROM store.index_prices_of((index_price."from" AT TIME ZONE 'UTC')::date, (index_price."to" AT TIME ZONE 'UTC')::date + 1,
                               index_price.as_of) AS x
    WHERE x.index_name = index_price.index_name AND x.ts >= index_price."from" AND x.ts < index_price."to"
    ORDER BY x.ts
$$;

-- The error of the proxy, as a fraction of the index, measured at the hours for which both are known.
CREATE VIEW index_proxy_error AS
    SELECT index_name, day, compared_hours, proxy_error_mean, proxy_error_p95, proxy_error_max, validation_id
    FROM store.index_day WHERE state = 'published';

-- The days of an index, from "from" to before "to" (NULL: all), for which a version has to be computed: the published inputs are
-- not those of the newest version, or that version was withdrawn.
-- Versions of the funding are identified by the validation that published them, because an hour that is waived later comes from the
-- same load as the other hours of its day. So are the summaries: a day is computed again when one was published since and the newest
-- version lacks a minute that it may tell (one that is taken back withdraws the versions it is in). Those of folded days are not
-- looked at, because of a day that is folded nothing waits to be published.
-- A day waits until its perpetual's day was decided on, and until its funding was decided on or is known not to exist that early. It
-- does not wait for an input that is held back: the true hours make an index without the perpetual, and the perpetual stands in
-- without the true hours.
CREATE FUNCTION store.index_due("from" date, "to" date)
RETURNS TABLE (index_name text, day date, perpetual_id integer, perpetual_version_id bigint, funding_validation_id bigint, chart_version_id bigint,
               summary_validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH seen AS (
        SELECT dataset, interval_from, interval_to FROM store.validation
        WHERE dataset IN ('perpetuals_ohlcv', 'funding_rates') GROUP BY 1, 2, 3
    ), told AS MATERIALIZED (
        -- one pass of the index over beats, which all indexes of a currency share; a beat is the end of the minute before it
        SELECT currency, (beat AT TIME ZONE 'UTC' - interval '1 minute')::date AS day, max(validation_id) AS validation_id
        FROM store.instrument_summary WHERE state = 'published' GROUP BY 1, 2
    )
    SELECT x.index_name, x.day, x.perpetual_id, p.version_id AS perpetual_version_id, f.validation_id AS funding_validation_id,
           c.version_id AS chart_version_id, told.validation_id AS summary_validation_id
    FROM store.index_days(index_due."from", index_due."to") AS x
    JOIN store.instrument i ON i.instrument_id = x.perpetual_id
    -- LIMIT 1 makes the planner look up each row by its key
    LEFT JOIN LATERAL (SELECT v.version_id FROM store.candle_day v
                       WHERE v.instrument_id = x.perpetual_id AND v.day = x.day AND v.state = 'published' LIMIT 1) AS p ON true
    LEFT JOIN LATERAL (SELECT v.version_id FROM store.candle_day v
                       WHERE v.instrument_id = x.perpetual_id AND v.day = x.day AND v.state = 'pending' AND v.validation_id IS NULL LIMIT 1) AS undecided ON true
    LEFT JOIN store.funding_start s ON s.instrument_id = x.perpetual_id
    LEFT JOIN LATERAL (SELECT max(f.validation_id) FILTER (WHERE f.state = 'published') AS validation_id,
                              bool_or(f.state = 'pending' AND f.validation_id IS NULL) AS undecided
                       FROM store.funding_rate f
                       WHERE f.instrument_id = x.perpetual_id
                         AND f.ts > x.day::timestamp AT TIME ZONE 'UTC' AND f.ts <= (x.day + 1)::timestamp AT TIME ZONE 'UTC') f ON true
    LEFT JOIN LATERAL (SELECT v.version_id FROM store.index_chart_day v WHERE v.index_name = x.index_name AND v.day = x.day LIMIT 1) AS c ON true
    LEFT JOIN told ON told.currency = i.settlement_currency AND told.day = x.day
    LEFT JOIN LATERAL (SELECT v.* FROM store.index_day v WHERE v.index_name = x.index_name AND v.day = x.day
                       ORDER BY v.version_id DESC LIMIT 1) AS newest ON true
    WHERE (p.version_id IS NOT NULL OR f.validation_id IS NOT NULL
           AND EXISTS (SELECT FROM seen v WHERE v.dataset = 'perpetuals_ohlcv'
                       AND x.day::timestamp AT TIME ZONE 'UTC' >= v.interval_from AND x.day::timestamp AT TIME ZONE 'UTC' < v.interval_to)
           AND undecided.version_id IS NULL)
      AND (f.validation_id IS NOT NULL OR s.first_hour IS NULL OR s.first_hour > (x.day + 1)::timestamp AT TIME ZONE 'UTC'
           OR EXISTS (SELECT FROM seen v WHERE v.dataset = 'funding_rates'
                      AND x.day::timestamp AT TIME ZONE 'UTC' >= v.interval_from AND x.day::timestamp AT TIME ZONE 'UTC' < v.interval_to)
              AND f.undecided IS NOT TRUE)
      AND (newest.day IS NULL OR newest.state = 'withdrawn'
           OR (newest.perpetual_id, newest.perpetual_version_id, newest.funding_validation_id, newest.chart_version_id)
              IS DISTINCT FROM (x.perpetual_id, p.version_id, f.validation_id, c.version_id)
           OR told.validation_id > coalesce(newest.summary_validation_id, 0)
              AND (newest.minutes IS NULL OR array_position(newest.minutes, NULL) IS NOT NULL))
$$;
