-- Which contract every series holds, told by its rolls: from 00:00 UTC of "day" on "instrument_id" is held, after
-- "from_instrument_id" (NULL: the series begins). A day is decided on by what was known when the one before it had ended:
-- the catalogue and the turnover of that day. In order of time, day by day:
--   rank 0   the contract that is held stays as long as it may be held (store.roll_contract); then comes the next to expire. By
--            volume the next one comes as soon as its turnover of the day before was larger. Where either is not published
--            nothing is compared, and the held one stays.
--   rank k   the next to expire after that of rank k - 1; never one that expires before the one that the rank held last
-- The contract held moves on in the order of expiry only, so none comes back. A day without a contract is left out. A series
-- begins with the first day that has published candles, and is known to the last one.
CREATE FUNCTION store.roll_chain()
RETURNS TABLE (rule text, eligible text, rank smallint, instrument_id integer, from_instrument_id integer, day date)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    d record;
    series text[];
    held integer[];     -- the contract that each rank held last
    place integer;      -- where in the day's contracts the one is that a rank holds now
    lower_place integer;
BEGIN
    -- a row a series and day: the contracts that may be held, by expiry, and what they turned over on the day before
    FOR d IN
        SELECT c.family, c.rule, c.eligible, k.day::date AS day,
               array_agg(c.instrument_id ORDER BY c.expires_at, c.instrument_id) AS ids,
               array_agg(v.turnover ORDER BY c.expires_at, c.instrument_id) AS turnovers
        FROM store.roll_contract c
        JOIN store.roll_extent x USING (family)
        CROSS JOIN LATERAL generate_series(greatest(c.first_day, x.first_day)::timestamp, least(c.past_day - 1, x.last_day)::timestamp,
                                           interval '1 day') AS k(day)
        -- by its key and no other way (LIMIT 1)
        LEFT JOIN LATERAL (SELECT CASE WHEN t.turnover BETWEEN 0 AND 1e50 THEN t.turnover END AS turnover FROM store.candle_day t
                           WHERE c.rule = 'volume' AND t.instrument_id = c.instrument_id AND t.day = k.day::date - 1 AND t.state = 'published'
                           LIMIT 1) AS v ON true
        GROUP BY c.family, c.rule, c.eligible, k.day
        ORDER BY c.family, c.rule, c.eligible, k.day
    LOOP
        IF series IS DISTINCT FROM ARRAY[d.family, d.rule, d.eligible] THEN
            series := ARRAY[d.family, d.rule, d.eligible];
            held := ARRAY[NULL, NULL, NULL]::integer[];
        END IF;
        lower_place := 0;
        FOR k IN 0 .. 2 LOOP
            place := array_position(d.ids, held[k + 1]);
            IF k > 0 THEN
                place := greatest(place, lower_place + 1);
            ELSIF place IS NULL THEN
                place := 1;
            ELSIF d.turnovers[place + 1] > d.turnovers[place] THEN
                place := place + 1;
            END IF;
            EXIT WHEN place > cardinality(d.ids);
            IF d.ids[place] IS DISTINCT FROM held[k + 1] THEN
                rule := d.rule; eligible := d.eligible; rank := k; day := d.day;
                instrument_id := d.ids[place]; from_instrument_id := held[k + 1];
                RETURN NEXT;
                held[k + 1] := d.ids[place];
            END IF;
            lower_place := place;
        END LOOP;
    END LOOP;
END $$;

-- The rolls on days from "from" to before "to" (NULL: all) of which the newest version is not what follows from what is published
-- now, or was withdrawn. One of which neither leg is published on the day before, which would price it, nor on any day from the
-- roll on, which it says the contract of, is left as it is; so is one whose day before was not loaded yet. A contract that is in its
-- series no more gets a version, too, which says so (skipped).
CREATE FUNCTION store.rolls_due("from" date, "to" date)
RETURNS TABLE (instrument_id integer, rule text, eligible text, rank smallint, day date, skipped boolean, from_instrument_id integer,
               from_version_id bigint, to_version_id bigint)
LANGUAGE sql STABLE AS $$
    WITH chain AS MATERIALIZED (
        SELECT * FROM store.roll_chain()
    ), newest AS MATERIALIZED (
        SELECT DISTINCT ON (r.instrument_id, r.rule, r.eligible, r.rank) r.*
        FROM store.roll r ORDER BY r.instrument_id, r.rule, r.eligible, r.rank, r.version_id DESC
    ), wanted AS (
        SELECT c.instrument_id, c.rule, c.eligible, c.rank, c.day, false AS skipped, c.from_instrument_id,
               f.version_id AS from_version_id, t.version_id AS to_version_id
        FROM chain c
        -- each by its key and no other way (LIMIT 1)
        LEFT JOIN LATERAL (SELECT v.version_id FROM store.candle_day v
                           WHERE v.instrument_id = c.from_instrument_id AND v.day = c.day - 1 AND v.state = 'published' LIMIT 1) AS f ON true
        LEFT JOIN LATERAL (SELECT v.version_id FROM store.candle_day v
                           WHERE v.instrument_id = c.instrument_id AND v.day = c.day - 1 AND v.state = 'published' LIMIT 1) AS t ON true
        -- a day that is still to be loaded will price it
        CROSS JOIN LATERAL (
            SELECT store.was_fetched(c.instrument_id, 'candles', b.day, b.day + interval '1 day')
                   OR store.was_fetched(c.from_instrument_id, 'candles', b.day, b.day + interval '1 day') AS asked
            FROM (SELECT (c.day - 1)::timestamp AT TIME ZONE 'UTC' AS day) AS b) AS a
        WHERE c.from_instrument_id IS NULL OR f.version_id IS NOT NULL OR t.version_id IS NOT NULL
           OR (a.asked AND (
               -- of each leg the last day is looked up, and nothing before it
               (SELECT v.day FROM store.candle_day v WHERE v.instrument_id = c.instrument_id AND v.state = 'published'
                ORDER BY v.day DESC LIMIT 1) >= c.day
               OR (SELECT v.day FROM store.candle_day v WHERE v.instrument_id = c.from_instrument_id AND v.state = 'published'
                   ORDER BY v.day DESC LIMIT 1) >= c.day))
        UNION ALL
        SELECT n.instrument_id, n.rule, n.eligible, n.rank, n.day, true, n.from_instrument_id, n.from_version_id, n.to_version_id
        FROM newest n
        WHERE n.state <> 'withdrawn'
          AND NOT EXISTS (SELECT FROM chain c WHERE (c.instrument_id, c.rule, c.eligible, c.rank) = (n.instrument_id, n.rule, n.eligible, n.rank))
    )
    SELECT w.* FROM wanted w LEFT JOIN newest n USING (instrument_id, rule, eligible, rank)
    WHERE w.day >= coalesce(rolls_due."from", '-infinity') AND w.day < coalesce(rolls_due."to", 'infinity')
      AND (n.state IS NULL OR n.state = 'withdrawn'
           OR (n.day, n.skipped, n.from_instrument_id, n.from_version_id, n.to_version_id)
              IS DISTINCT FROM (w.day, w.skipped, w.from_instrument_id, w.from_version_id, w.to_version_id))
$$;

-- The rolls as they are published, or were at the moment as_of, each with the days its contract is held, [day, past_day): to the
-- next roll, to the last day on which it may be held, or to the day on which the rank before takes it. "linked" says whether
-- the contract it rolled from is the one that the roll before it had rolled to: otherwise one in between is missing.
CREATE FUNCTION store.rolls_of(as_of timestamptz)
RETURNS TABLE (family text, coin text, quote_currency text, settlement_currency text, instrument_type text, rule text, eligible text,
               rank smallint, day date, past_day date, from_contract text, to_contract text, to_label text, expires_at timestamptz,
               price_at timestamptz, from_close float8, to_close float8, from_turnover float8, to_turnover float8, linked boolean,
               validation_id bigint, validated_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH shown AS MATERIALIZED (
        SELECT r.*, CASE WHEN rolls_of.as_of IS NULL THEN r.validation_id
                         ELSE store.published_by(r.shown, (SELECT store.as_of(rolls_of.as_of))) END AS shown_by
        FROM store.roll r
        WHERE CASE WHEN rolls_of.as_of IS NULL THEN r.state = 'published' ELSE r.shown @> (SELECT store.as_of(rolls_of.as_of)) END
          -- a time that store.as_of() refuses is an error even if there are no rows
          AND (rolls_of.as_of IS NULL OR (SELECT store.as_of(rolls_of.as_of)) IS NOT NULL)
          AND NOT r.skipped
    )
    SELECT c.family, c.base_currency, c.quote_currency, c.settlement_currency, c.instrument_type, r.rule, r.eligible, r.rank, r.day,
           least(lead(r.day) OVER w, c.past_day, l.day), i.instrument, c.instrument, c.label, c.expires_at,
           r.price_at, r.from_close, r.to_close, r.from_turnover, r.to_turnover,
           r.from_instrument_id IS NOT DISTINCT FROM lag(r.instrument_id) OVER w, v.validation_id, v.validated_at
    FROM shown r
    JOIN store.roll_contract c USING (instrument_id, rule, eligible)
    LEFT JOIN store.instrument i ON i.instrument_id = r.from_instrument_id
    LEFT JOIN shown l ON l.instrument_id = r.instrument_id AND l.rule = r.rule AND l.eligible = r.eligible AND l.rank = r.rank - 1
    JOIN store.validation v ON v.validation_id = r.shown_by
    WINDOW w AS (PARTITION BY c.family, r.rule, r.eligible, r.rank ORDER BY r.day, c.expires_at)
$$;

-- When which future was rolled to which, by which rule, with the difference and the ratio of their prices in one minute that is
-- fresh in both. Never an adjusted price.
CREATE VIEW roll_calendar AS
    SELECT coin, quote_currency, settlement_currency, instrument_type, rule, eligible, rank, day, past_day, from_contract, to_contract,
           expires_at, price_at, from_close, to_close, to_close - from_close AS difference, to_close / from_close AS ratio,
           from_turnover, to_turnover, validation_id, validated_at
    FROM store.rolls_of(NULL);

-- What is asked for has to be one of what there is: a typing error is no empty answer.
CREATE FUNCTION store.one_of(what text, value text, known text[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF value IS NULL OR NOT value = ANY (known) THEN
        RAISE EXCEPTION '% is %; it may be %', what, coalesce(value, 'NULL'), array_to_string(known, ', ')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN true;
END $$;

-- Whether there is such a series; otherwise an error.
CREATE FUNCTION store.is_series(rule text, eligible text, rank integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT store.one_of('rule', rule, '{expiry,volume}') AND store.one_of('eligible', eligible, '{quarterly,monthly,all}')
       AND store.one_of('rank', rank::text, '{0,1,2}')
$$;

-- What a family is settled in where nobody says: inverse futures in the coin, linear ones in what they are quoted in.
CREATE FUNCTION store.settled_in(coin text, quote_currency text, settlement_currency text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(settlement_currency, CASE WHEN quote_currency = 'USD' THEN coin ELSE quote_currency END)
$$;

-- The rolls of one series, in order of time: as they are published, or were at the moment as_of.
CREATE FUNCTION rolls(coin text, rule text DEFAULT 'expiry', eligible text DEFAULT 'quarterly', rank integer DEFAULT 0,
                      quote_currency text DEFAULT 'USD', settlement_currency text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
RETURNS SETOF roll_calendar
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.coin, r.quote_currency, r.settlement_currency, r.instrument_type, r.rule, r.eligible, r.rank, r.day, r.past_day,
           r.from_contract, r.to_contract, r.expires_at, r.price_at, r.from_close, r.to_close, r.to_close - r.from_close,
           r.to_close / r.from_close, r.from_turnover, r.to_turnover, r.validation_id, r.validated_at
    FROM store.rolls_of(rolls.as_of) AS r
    WHERE store.is_series(rolls.rule, rolls.eligible, rolls.rank)
      AND r.coin = rolls.coin AND r.rule = rolls.rule AND r.eligible = rolls.eligible AND r.rank = rolls.rank
      AND r.quote_currency = rolls.quote_currency
      AND r.settlement_currency = store.settled_in(rolls.coin, rolls.quote_currency, rolls.settlement_currency)
    ORDER BY r.day
$$;

-- Which contract a series holds on each day, to the last one that has candles.
CREATE VIEW held_contracts AS
    SELECT r.coin, r.quote_currency, r.settlement_currency, r.instrument_type, r.rule, r.eligible, r.rank, d.day::date AS day,
           r.to_contract AS contract, r.from_contract IS NOT NULL AND d.day = r.day AS rolled, r.expires_at, r.validation_id
    FROM store.rolls_of(NULL) AS r JOIN store.roll_extent x USING (family)
    CROSS JOIN LATERAL generate_series(r.day::timestamp, least(r.past_day - 1, x.last_day)::timestamp, interval '1 day') AS d(day);

-- The minutes of a series of futures with from <= ts < to, in order of time: the published candles of the contract that is held, by
-- the published rolls (or both as they were published at the moment as_of), as they were traded or adjusted backwards.
--   difference   plus the differences of all rolls after the contract and before "to"
--   ratio        times their ratios
-- The contract held at the end of what is asked for has its own prices, and no roll after that is looked at. A roll without a
-- price, or one that is not the next one's predecessor, leaves what was before it unknown (NULL): nothing is moved by a part.
-- The contracts are sorted (OFFSET 0 keeps them so), their minutes are so anyway.
CREATE FUNCTION continuous_futures(coin text, "from" timestamptz, "to" timestamptz, rule text DEFAULT 'expiry',
                                   eligible text DEFAULT 'quarterly', rank integer DEFAULT 0, adjustment text DEFAULT 'none',
                                   quote_currency text DEFAULT 'USD', settlement_currency text DEFAULT NULL,
                                   as_of timestamptz DEFAULT NULL)
RETURNS TABLE (ts timestamptz, contract text, open float8, high float8, low float8, close float8, volume float8, cost float8,
               traded boolean, fresh boolean, rolled boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.ts, h.contract,
           CASE WHEN h.adjusted THEN store.price(m.open) * h.factor + h.shift ELSE m.open END,
           CASE WHEN h.adjusted THEN store.price(m.high) * h.factor + h.shift ELSE m.high END,
           CASE WHEN h.adjusted THEN store.price(m.low) * h.factor + h.shift ELSE m.low END,
           CASE WHEN h.adjusted THEN store.price(m.close) * h.factor + h.shift ELSE m.close END,
           m.volume, m.cost, m.traded, m.fresh, m.place = 1 AND h.entered
    FROM (SELECT r.to_contract AS contract, r.to_label AS label, d.begins, d.ends, a.adjusted,
                 r.from_contract IS NOT NULL AND d.begins >= continuous_futures."from" AS entered,
                 -- of the rolls after this one; of the last one nothing is to be adjusted
                 CASE WHEN a.method <> 'ratio' THEN 1 WHEN count(*) OVER later = count(r.ratio) OVER later
                      THEN coalesce(exp(sum(ln(r.ratio)) OVER later), 1) END AS factor,
                 CASE WHEN a.method <> 'difference' THEN 0 WHEN count(*) OVER later = count(r.difference) OVER later
                      THEN coalesce(sum(r.difference) OVER later, 0) END AS shift
          FROM (SELECT s.*, CASE WHEN s.linked THEN s.to_close - s.from_close END AS difference,
                       CASE WHEN s.linked THEN s.to_close / s.from_close END AS ratio
                FROM store.rolls_of(continuous_futures.as_of) AS s
                WHERE s.coin = continuous_futures.coin AND s.rule = continuous_futures.rule
                  AND s.eligible = continuous_futures.eligible AND s.rank = continuous_futures.rank
                  AND s.quote_currency = continuous_futures.quote_currency
                  AND s.settlement_currency = store.settled_in(continuous_futures.coin, continuous_futures.quote_currency,
                                                               continuous_futures.settlement_currency)) AS r
          CROSS JOIN (SELECT continuous_futures.adjustment AS method, continuous_futures.adjustment <> 'none' AS adjusted) AS a
          CROSS JOIN LATERAL (SELECT r.day::timestamp AT TIME ZONE 'UTC' AS begins, r.past_day::timestamp AT TIME ZONE 'UTC' AS ends) AS d
          WHERE d.begins < continuous_futures."to"
          WINDOW later AS (ORDER BY r.day DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
          ORDER BY r.day OFFSET 0) AS h
    CROSS JOIN LATERAL candles(h.label, greatest(h.begins, continuous_futures."from"), least(h.ends, continuous_futures."to"),
                               continuous_futures.as_of) WITH ORDINALITY
               AS m(ts, open, high, low, close, volume, cost, traded, fresh, place)
    WHERE h.ends > continuous_futures."from"
      AND store.is_series(continuous_futures.rule, continuous_futures.eligible, continuous_futures.rank)
      AND store.one_of('adjustment', continuous_futures.adjustment, '{none,difference,ratio}')
$$;
