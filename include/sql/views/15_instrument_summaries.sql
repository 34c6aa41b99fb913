-- An array that is in step with names: one element says the same of all of them.
CREATE FUNCTION store.for_each("values" anyarray, names text[]) RETURNS anyarray
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN cardinality("values") = 1 AND cardinality(names) > 1 THEN array_fill("values"[1], ARRAY[cardinality(names)]) ELSE "values" END
$$;

-- How many beats there were after the snapshot of "previous" and before the one of "beat"; 0 where there was none before. What
-- lies before a change of their length is not counted here (the view snapshot_gaps has it).
CREATE FUNCTION store.missed_beats(dataset text, beat timestamptz, previous timestamptz) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(max(greatest(ceil(extract(epoch FROM missed_beats.beat - greatest(missed_beats.previous, b.begins - make_interval(secs => b.seconds)))
                                      / b.seconds)::integer - 1, 0)), 0)
    FROM store.snapshot_beat b
    WHERE b.dataset = missed_beats.dataset AND missed_beats.beat >= b.begins AND missed_beats.beat < b.ends AND missed_beats.previous IS NOT NULL
$$;

-- How many beats there were between some others, in any order, of which there are snapshots.
CREATE FUNCTION store.missed_among(dataset text, beats timestamptz[]) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(store.missed_beats(missed_among.dataset, p.beat, p.previous)), 0)::integer
    FROM (SELECT b.beat, lag(b.beat) OVER (ORDER BY b.beat) AS previous FROM unnest(missed_among.beats) AS b(beat)) AS p
$$;

-- What the catalogue lists of a kind and settlement currency at a moment and a snapshot of then lacks. Listings and expiries take
-- the exchange a few minutes: what is younger than ten or ends within ten is not asked for.
CREATE FUNCTION store.absent_from(names text[], kind text, currency text, at timestamptz) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT array_agg(i.instrument ORDER BY i.instrument)
    FROM store.instrument i LEFT JOIN store.delisting e USING (instrument_id)
    WHERE i.kind = absent_from.kind AND i.settlement_currency = absent_from.currency
      AND i.listed_at <= absent_from.at - interval '10 minutes' AND least(i.expires_at, e.ends_at) > absent_from.at + interval '10 minutes'
      AND i.instrument <> ALL (absent_from.names)
$$;

-- What is in a snapshot and not in the catalogue, though that was read since there first was a snapshot with it. What was listed
-- since then is no finding: the catalogue is read once a day.
CREATE FUNCTION store.not_in_catalogue(names text[], kind text, currency text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- rosters are many and long: they are looked at for the few that are left
    WITH missing AS MATERIALIZED (
        SELECT n FROM unnest(not_in_catalogue.names) AS n WHERE NOT EXISTS (SELECT FROM store.instrument i WHERE i.instrument = n)
    )
    SELECT array_agg(m.n ORDER BY m.n) FROM missing m
    WHERE EXISTS (SELECT FROM store.roster r
                  WHERE m.n = ANY (r.instruments)
                    AND r.first_beat < (SELECT max(c.read_at) FROM store.catalogue_reading c
                                        WHERE c.currency = not_in_catalogue.currency AND c.kind = not_in_catalogue.kind AND NOT c.expired))
$$;

-- What the perpetuals and dated futures were at, beat by beat, as it is published, or was at the moment as_of. Of folded days those
-- from "from" to before "to" (NULL: all).
CREATE FUNCTION store.instrument_summaries_of("from" date, "to" date, as_of timestamptz)
RETURNS TABLE (currency text, beat timestamptz, ts timestamptz, instrument text, kind text, base_currency text, quote_currency text,
               mark_price float8, index_price float8, bid_price float8, ask_price float8, last_price float8,
               open_interest float8, open_interest_unit text, volume float8, current_funding float8, funding_8h float8,
               host text, loaded_at timestamptz, validation_id bigint, validated_at timestamptz, day date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT s.currency, s.beat, u.ts, u.instrument, CASE WHEN u.instrument LIKE '%-PERPETUAL' THEN 'perpetual' ELSE 'future' END,
           n.base, n.quote, u.mark, u.index, u.bid, u.ask, u.last, u.interest, CASE WHEN n.quote = 'USD' THEN 'USD' ELSE n.base END, u.volume,
           u.current_funding, u.funding_8h, l.host, l.loaded_at, v.validation_id, v.validated_at, (s.beat AT TIME ZONE 'UTC')::date
    FROM store.instrument_summary s
    JOIN store.roster r USING (roster_id)
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v ON v.validation_id = CASE WHEN instrument_summaries_of.as_of IS NULL THEN s.validation_id
         ELSE store.published_by(s.shown, (SELECT store.as_of(instrument_summaries_of.as_of))) END
    CROSS JOIN LATERAL unnest(
        r.instruments, store.for_each(s.told_at, r.instruments), store.for_each(s.mark_price, r.instruments),
        store.for_each(s.index_price, r.instruments), store.for_each(s.bid_price, r.instruments), store.for_each(s.ask_price, r.instruments),
        store.for_each(s.last_price, r.instruments), store.for_each(s.open_interest, r.instruments), store.for_each(s.volume, r.instruments),
        store.for_each(s.current_funding, r.instruments), store.for_each(s.funding_8h, r.instruments)
    ) AS u(instrument, ts, mark, index, bid, ask, last, interest, volume, current_funding, funding_8h)
    CROSS JOIN LATERAL (SELECT split_part(split_part(u.instrument, '-', 1), '_', 1) AS base,
                               coalesce(nullif(split_part(split_part(u.instrument, '-', 1), '_', 2), ''), 'USD') AS quote) AS n
    WHERE CASE WHEN instrument_summaries_of.as_of IS NULL THEN s.state = 'published'
               ELSE s.shown @> (SELECT store.as_of(instrument_summaries_of.as_of)) END
      -- a time that store.as_of() refuses is an error even if there are no rows
      AND (instrument_summaries_of.as_of IS NULL OR (SELECT store.as_of(instrument_summaries_of.as_of)) IS NOT NULL)
    UNION ALL
    SELECT y.currency, t.beat, t.beat + u.told_ms * interval '1 millisecond', y.instrument,
           CASE WHEN y.instrument LIKE '%-PERPETUAL' THEN 'perpetual' ELSE 'future' END,
           n.base, n.quote, u.mark, u.index, u.bid, u.ask, u.last, u.interest, CASE WHEN n.quote = 'USD' THEN 'USD' ELSE n.base END, u.volume,
           u.current_funding, u.funding_8h, l.host, l.loaded_at, v.validation_id, v.validated_at, y.day
    FROM store.summary_series y JOIN store.summary_day d USING (currency, day)
    -- side by side in a SELECT list arrays are unnested in step
    CROSS JOIN LATERAL (
        SELECT unnest(d.minutes) AS minute, unnest(d.version_ids) AS version_id, unnest(d.validation_ids) AS validation_id,
               unnest(y.told_ms) AS told_ms, unnest(y.mark_price) AS mark, unnest(y.index_price) AS index, unnest(y.bid_price) AS bid,
               unnest(y.ask_price) AS ask, unnest(y.last_price) AS last, unnest(y.open_interest) AS interest, unnest(y.volume) AS volume,
               unnest(y.current_funding) AS current_funding, unnest(y.funding_8h) AS funding_8h) AS u
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v USING (validation_id)
    CROSS JOIN LATERAL (SELECT y.day::timestamp AT TIME ZONE 'UTC' + u.minute * interval '1 minute' AS beat) AS t
    CROSS JOIN LATERAL (SELECT split_part(split_part(y.instrument, '-', 1), '_', 1) AS base,
                               coalesce(nullif(split_part(split_part(y.instrument, '-', 1), '_', 2), ''), 'USD') AS quote) AS n
    WHERE u.told_ms IS NOT NULL AND ("from" IS NULL OR y.day >= "from") AND ("to" IS NULL OR y.day < "to")
      AND (instrument_summaries_of.as_of IS NULL OR u.validation_id <= (SELECT store.as_of(instrument_summaries_of.as_of)))
$$;

-- What every perpetual and dated future was at, beat by beat. ts is the exchange's clock. Say the day when you filter (or use
-- summaries()): folded days are looked up by it.
CREATE VIEW instrument_summaries AS SELECT * FROM store.instrument_summaries_of(NULL, NULL, NULL);

-- That of one instrument (a name, or name#id: see store.instrument_named) with from <= ts < to, in order of time: what is published, or
-- what was published at the moment as_of.
CREATE FUNCTION summaries(instrument text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL)
RETURNS SETOF instrument_summaries
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT s.*
    FROM store.instrument_summaries_of(((summaries."from" - interval '1 hour') AT TIME ZONE 'UTC')::date,
                                       ((summaries."to" + interval '10 seconds') AT TIME ZONE 'UTC')::date + 1, summaries.as_of) AS s
    -- each a value that is known before a row is read
    WHERE s.instrument = (SELECT n.instrument FROM store.name_of(summaries.instrument, summaries."from", summaries."to") AS n LIMIT 1)
      AND s.ts >= greatest(summaries."from", (SELECT n.begins FROM store.name_of(summaries.instrument, summaries."from", summaries."to") AS n LIMIT 1))
      AND s.ts < least(summaries."to", (SELECT n.ends FROM store.name_of(summaries.instrument, summaries."from", summaries."to") AS n LIMIT 1))
      -- a beat is at most ten seconds after its snapshot, and its snapshot within an hour of it
      AND s.beat > summaries."from" - interval '1 hour' AND s.beat < summaries."to" + interval '10 seconds'
    ORDER BY s.ts
$$;

-- Beats at which no snapshot was taken, of every dataset of snapshots and currency, a row a gap: from its first beat to its last
-- one, up to the newest beat that is over. Gaps are for good: nothing brings a snapshot later. They are what is expected of a stretch
-- of time with one length of beats, without what there is, as ranges of whole beats.
CREATE VIEW snapshot_gaps AS
    WITH taken AS (
        SELECT b.dataset, b.currency, p.begins,
               range_agg(tstzrange(date_bin(e.step, greatest(b.first_beat, p.begins), e.origin),
                                   date_bin(e.step, least(b.last_beat, p.ends - interval '1 minute'), e.origin) + e.step)) AS beats
        FROM (
{datasets/*/beats}
        ) AS b
        JOIN store.snapshot_beat p ON p.dataset = b.dataset AND b.last_beat >= p.begins AND b.first_beat < p.ends
        CROSS JOIN LATERAL (SELECT make_interval(secs => p.seconds) AS step, timestamptz '2000-01-01 00:00+00' AS origin) AS e
        GROUP BY b.dataset, b.currency, p.begins
    ), firsts AS (
        SELECT dataset, currency, min(lower(beats)) AS beat FROM taken GROUP BY dataset, currency
    )
    SELECT p.dataset, f.currency, lower(g) AS first_beat, lower(g) + (n.beats - 1) * e.step AS last_beat, n.beats
    FROM firsts f
    JOIN store.snapshot_beat p USING (dataset)
    LEFT JOIN taken t USING (dataset, currency, begins)
    CROSS JOIN LATERAL (SELECT make_interval(secs => p.seconds) AS step, greatest(p.begins, f.beat) AS begins) AS e
    CROSS JOIN LATERAL (SELECT least(p.ends, date_bin(e.step, now(), '2000-01-01 00:00+00')) AS ends) AS o
    CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(e.begins, greatest(e.begins, o.ends))) - coalesce(t.beats, '{}')) AS g
    CROSS JOIN LATERAL (SELECT ceil(extract(epoch FROM upper(g) - lower(g)) / p.seconds)::integer AS beats) AS n;
