-- The open days of which there may be a basis, from "from" to "to" (itself), as rows of store.basis_day that name no versions: those of
-- every future from the first to the last day with minutes that live has brought, but for the days of which a pair is published, or
-- was at the moment as_of. As a statement of its own it is planned once a session and where there are such days (a generic plan, for
-- it is the same one for all values): a question of closed days pays for a few looks into an index.
CREATE FUNCTION store.open_pairs("from" date, "to" date, as_of timestamptz) RETURNS SETOF store.basis_day
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    -- of a minute that was ever shown there is a version that is published or held
    earliest date := least((SELECT o.day FROM store.open_candle o WHERE o.state = 'published' ORDER BY o.day LIMIT 1),
                           (SELECT o.day FROM store.open_candle o WHERE o.state IN ('pending', 'held') ORDER BY o.ts LIMIT 1));
    latest date := greatest((SELECT o.day FROM store.open_candle o WHERE o.state = 'published' ORDER BY o.day DESC LIMIT 1),
                            (SELECT o.day FROM store.open_candle o WHERE o.state IN ('pending', 'held') ORDER BY o.ts DESC LIMIT 1));
BEGIN
    IF earliest <= "to" AND latest >= "from" THEN
        RETURN QUERY
            SELECT f.instrument_id, d.day, NULL::bigint, 'published'::store.state, NULL::bigint, '{(,)}'::int8multirange, NULL::bigint,
                   f.perpetual_id, NULL::bigint, NULL::smallint
            FROM store.future f
            CROSS JOIN LATERAL (SELECT greatest(f.from_day, earliest, "from") AS first, least(f.past_day - 1, latest, "to") AS last) AS k
            CROSS JOIN LATERAL (SELECT k.first + n AS day FROM generate_series(0, k.last - k.first) AS n) AS d
            WHERE k.first <= k.last
              AND NOT EXISTS (
                  SELECT FROM store.basis_day b
                  WHERE b.instrument_id = f.instrument_id AND b.day = d.day
                    AND CASE WHEN as_of IS NULL THEN b.state = 'published' ELSE b.shown @> (SELECT store.as_of(open_pairs.as_of)) END);
    END IF;
END $$;

-- The pairs of days from "from" to "to" (itself) of which a basis is published, or was at the moment as_of: closed days, and open
-- ones (store.open_pairs). validation_id is the validation that had published the pair then; of an open day its minutes have one each.
-- What there is of both kinds is taken as it is, and filtered together: so the closed days can be looked up by whichever key is asked
-- for. (OFFSET 0 as well: no function's result can be joined by a key within a UNION, a subquery's can.)
CREATE FUNCTION store.basis_pairs("from" date, "to" date, as_of timestamptz) RETURNS SETOF store.basis_day
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p.instrument_id, p.day, p.version_id, p.state,
           CASE WHEN basis_pairs.as_of IS NULL THEN p.validation_id ELSE store.published_by(p.shown, (SELECT store.as_of(basis_pairs.as_of))) END,
           p.shown, p.future_version_id, p.perpetual_id, p.perpetual_version_id, p.minutes
    FROM (SELECT b.* FROM store.basis_day b
          UNION ALL
          (SELECT o.* FROM store.open_pairs(basis_pairs."from", basis_pairs."to", basis_pairs.as_of) AS o OFFSET 0)) AS p
    WHERE p.day >= basis_pairs."from" AND p.day <= basis_pairs."to"
      AND CASE WHEN basis_pairs.as_of IS NULL THEN p.state = 'published' ELSE p.shown @> (SELECT store.as_of(basis_pairs.as_of)) END
      -- a time that store.as_of() refuses is an error even if there are no rows
      AND (basis_pairs.as_of IS NULL OR (SELECT store.as_of(basis_pairs.as_of)) IS NOT NULL)
$$;

-- Both legs of a closed day with from <= ts < to, from the very versions that were validated, also when a newer one was published
-- since: n minutes from "first" on, as arrays side by side. They begin with the perpetual's first candle. charted and hourly: the
-- true index of the minutes, and at the ends of the day's hours, as far as it is known.
CREATE FUNCTION store.closed_legs(pair store.basis_day, price_index text, "from" timestamptz, "to" timestamptz)
RETURNS TABLE (first integer, n integer, future float8[], perpetual float8[], traded bit, fresh bit,
               charted float8[], hourly float8[], validations bigint[])
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.first, k.past - b.first, store.slice_minutes(c.close, c.first_minute, b.first, k.past - b.first),
           store.slice_minutes(p.close, p.first_minute, b.first, k.past - b.first), c.traded, c.fresh & p.fresh,
           store.slice_minutes(x.minutes, 0, b.first, k.past - b.first), x.hourly, NULL::bigint[]
    -- each by its key and no other way (LIMIT 1): between a minute and eight years no one plan of a join is right
    FROM (SELECT v.first_minute, v.n, store.prices(v.close, v.calculable) AS close, v.fresh, v.traded FROM store.candle_day v
          WHERE v.instrument_id = pair.instrument_id AND v.day = pair.day AND v.version_id = pair.future_version_id LIMIT 1) AS c
    CROSS JOIN LATERAL (SELECT v.first_minute, store.prices(v.close, v.calculable) AS close, v.fresh,
                               CASE WHEN v.present < 1440
                                    THEN store.first_candle_minute(v.instrument_id, v.day, v.first_minute, v.close) ELSE 0 END AS begins
                        FROM store.candle_day v
                        WHERE v.instrument_id = pair.perpetual_id AND v.day = pair.day AND v.version_id = pair.perpetual_version_id LIMIT 1) AS p
    LEFT JOIN LATERAL (SELECT v.hourly, v.minutes FROM store.index_day v
                       WHERE v.index_name = closed_legs.price_index AND v.day = pair.day AND v.state = 'published' LIMIT 1) AS x ON true
    CROSS JOIN LATERAL store.clip_minutes(pair.day, c.first_minute, c.n, closed_legs."from", closed_legs."to") AS k
    CROSS JOIN LATERAL (SELECT greatest(k.first, p.begins) AS first OFFSET 0) AS b
    WHERE k.past > b.first
$$;

-- The same of an open day, from the minutes of both legs that are published, or were at the moment as_of: a row for every unbroken run
-- of minutes that both have, in order of time, so what is missing is in none, and neither is what is held back (store.held_basis).
-- validations: of each minute, of its two validations the later one. charted: until the index of the day is published,
-- what is known of it by then (as store.open_index_of). Planned once a session, as store.open_pairs is.
CREATE FUNCTION store.open_legs(pair store.basis_day, price_index text, "from" timestamptz, "to" timestamptz, as_of timestamptz)
RETURNS TABLE (first integer, n integer, future float8[], perpetual float8[], traded bit, fresh bit,
               charted float8[], hourly float8[], validations bigint[])
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 2 SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    begins timestamptz := greatest("from", pair.day::timestamp AT TIME ZONE 'UTC');
    ends timestamptz := least("to", (pair.day + 1)::timestamp AT TIME ZONE 'UTC');
    midnight float8 := date_part('epoch', pair.day);
    shown_at bigint := CASE WHEN as_of IS NOT NULL THEN store.as_of(as_of) END;
    index_of_day store.index_day;
BEGIN
    SELECT x.* INTO index_of_day FROM store.index_day x
    WHERE x.index_name = open_legs.price_index AND x.day = pair.day AND x.state = 'published';
    RETURN QUERY
        WITH sample AS MATERIALIZED (
            SELECT s.beat - interval '1 minute' AS ts, s.price
            FROM store.instrument i CROSS JOIN LATERAL store.index_told(i.price_index, i.settlement_currency, i.instrument, pair.day, NULL) AS s
            WHERE i.instrument_id = pair.perpetual_id AND i.price_index = open_legs.price_index AND index_of_day.day IS NULL
              AND s.beat > begins AND s.beat <= ends
        )
        SELECT min(m.minute), count(*)::integer,
               array_agg(store.price(m.future) ORDER BY m.minute), array_agg(store.price(m.perpetual) ORDER BY m.minute),
               bit_or(set_bit(0::bit(1440), m.minute, m.traded::integer)), bit_or(set_bit(0::bit(1440), m.minute, m.fresh::integer)),
               array_agg(coalesce(index_of_day.minutes[m.minute + 1], m.sample) ORDER BY m.minute), index_of_day.hourly,
               array_agg(m.validation_id ORDER BY m.minute)
        FROM (SELECT e.minute, e.minute - row_number() OVER (ORDER BY o.ts) AS run, o.close AS future, p.close AS perpetual,
                     s.price AS sample, o.volume > 0 AS traded, o.fresh AND p.fresh AS fresh,
                     CASE WHEN shown_at IS NULL THEN greatest(o.validation_id, p.validation_id)
                          ELSE greatest(store.published_by(o.shown, shown_at), store.published_by(p.shown, shown_at)) END AS validation_id
              FROM store.open_candle o
              JOIN store.open_candle p ON p.instrument_id = pair.perpetual_id AND p.ts = o.ts
                   AND CASE WHEN shown_at IS NULL THEN p.state = 'published' ELSE p.shown @> shown_at END
              LEFT JOIN sample s ON s.ts = o.ts
              CROSS JOIN LATERAL (SELECT ((date_part('epoch', o.ts) - midnight) / 60)::integer AS minute OFFSET 0) AS e
              WHERE o.instrument_id = pair.instrument_id AND o.ts >= begins AND o.ts < ends
                AND CASE WHEN shown_at IS NULL THEN o.state = 'published' ELSE o.shown @> shown_at END
                AND NOT EXISTS (
                    SELECT FROM store.held_basis h
                    WHERE h.instrument_id = o.instrument_id AND h.ts = o.ts AND h.future_version_id = o.version_id
                      AND h.perpetual_version_id = p.version_id
                      AND CASE WHEN shown_at IS NULL THEN upper_inf(h.held) ELSE h.held @> shown_at END)) AS m
        GROUP BY m.run
        ORDER BY 1;
END $$;

-- The basis of one pair of days, minute by minute with from <= ts < to, against the perpetual and, where it is known, the true index:
-- the one place where it is computed, for whole years (basis_spread) as for a single minute (term_structure_at), of closed days and
-- of open ones, which name no versions. Annualised by the 525,600 minutes of a year. What is no price is NULL (store.price), so no
-- quotient can fail. It takes its contract from whoever asks: with nothing left to join but what each pair of days leads to, no plan
-- can change the order of time, and only the columns that are asked for are computed. Where the minutes come from is settled before
-- they are rows: a UNION of minutes would hand over each of them once more. What is the same for all minutes of a day is computed
-- once (OFFSET 0 keeps the planner from repeating it).
CREATE FUNCTION store.basis_of(pair store.basis_day, contract store.instrument, "from" timestamptz, "to" timestamptz,
                               as_of timestamptz DEFAULT NULL)
RETURNS TABLE (instrument text, ts timestamptz, future_close float8, perpetual_close float8, basis float8,
               basis_fraction float8, days_to_expiry float8, annualised float8, structure text, traded boolean, fresh boolean,
               index_price float8, index_basis float8, index_basis_fraction float8, index_annualised float8,
               coin text, perpetual text, expires_at timestamptz, day date, validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT contract.instrument,
           to_timestamp(w.epoch + 60 * m.i),
           m.future, m.perpetual,
           m.future - m.perpetual,
           (m.future - m.perpetual) / m.perpetual,
           (w.minutes_left - m.i) / 1440,
           CASE WHEN m.i <= w.last_annualised
                THEN (m.future - m.perpetual) / m.perpetual * 525600 / (w.minutes_left - m.i) END,
           CASE WHEN m.future > m.perpetual THEN 'contango'
                WHEN m.future < m.perpetual THEN 'backwardation'
                WHEN m.future = m.perpetual THEN 'flat' END,
           CASE WHEN m.future IS NOT NULL THEN get_bit(d.traded, d.first + m.i - 1) = 1 END,
           get_bit(d.fresh, d.first + m.i - 1) = 1,
           t.index_price,
           m.future - t.index_price,
           (m.future - t.index_price) / t.index_price,
           CASE WHEN m.i <= w.last_annualised
                THEN (m.future - t.index_price) / t.index_price * 525600 / (w.minutes_left - m.i) END,
           contract.base_currency, w.perpetual, contract.expires_at, pair.day, coalesce(d.validations[m.i], pair.validation_id)
    FROM (SELECT c.* FROM store.closed_legs(pair, contract.price_index, basis_of."from", basis_of."to") AS c
          WHERE pair.future_version_id IS NOT NULL
          UNION ALL
          SELECT o.* FROM store.open_legs(pair, contract.price_index, basis_of."from", basis_of."to", basis_of.as_of) AS o
          WHERE pair.future_version_id IS NULL) AS d
    CROSS JOIN LATERAL (
        SELECT e.midnight + 60 * (d.first - 1) AS epoch, (e.expiry - e.midnight) / 60 - d.first AS minutes_left,
               floor((e.expiry - e.midnight) / 60 - d.first - 1440) AS last_annualised,
               (SELECT q.instrument FROM store.instrument q WHERE q.instrument_id = pair.perpetual_id) AS perpetual
        FROM (SELECT extract(epoch FROM pair.day)::float8 AS midnight, extract(epoch FROM contract.expires_at)::float8 AS expiry) AS e
        OFFSET 0) AS w
    CROSS JOIN LATERAL (
        SELECT unnest(d.future) AS future, unnest(d.perpetual) AS perpetual, unnest(d.charted) AS charted, generate_series(1, d.n) AS i) AS m
    CROSS JOIN LATERAL (
        SELECT CASE WHEN (d.first + m.i) % 60 = 0
                    THEN coalesce(store.price(d.hourly[(d.first + m.i) / 60]), store.price(m.charted)) ELSE store.price(m.charted) END AS index_price
    ) AS t
$$;

-- The basis of every minute of every published future, of closed days and of open ones.
--   basis            USD, future close - perpetual close
--   basis_fraction   basis / perpetual close
--   days_to_expiry   from the END of the minute, fractional
--   annualised       simple, basis_fraction * 365 / days_to_expiry; NULL under one day, where it explodes
--   traded           the future traded in that minute; otherwise its close is stale
--   fresh            both legs traded in it at the prices shown: the minutes a basis can be relied on
-- Say the day as well as the ts when you filter (or use basis() and term_structure_at()): only the day is indexed.
CREATE VIEW basis_spread AS
    SELECT m.*
    FROM store.basis_pairs('-infinity', 'infinity', NULL) AS p JOIN store.instrument i USING (instrument_id)
    CROSS JOIN LATERAL store.basis_of(p, i, '-infinity', 'infinity') AS m;

-- The basis of one future (a name, or name#id: see store.instrument_named) with from <= ts < to, in order of time: what is
-- published, or what was published at the moment as_of. The days are sorted (OFFSET 0 keeps them so), their minutes are so
-- anyway. The index beside a basis is always today's: it is no part of the pair that was published.
CREATE FUNCTION basis(instrument text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL) RETURNS SETOF basis_spread
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.*
    FROM (SELECT p AS pair, i AS contract
          FROM store.basis_pairs((basis."from" AT TIME ZONE 'UTC')::date, (basis."to" AT TIME ZONE 'UTC')::date, basis.as_of) AS p
          JOIN store.instrument i USING (instrument_id)
          WHERE i.instrument_id = store.instrument_named(basis.instrument, basis."from", basis."to")
            AND (basis.as_of IS NULL OR (SELECT store.minutes_kept(basis.as_of, basis."from", basis."to")))
          ORDER BY p.day OFFSET 0) AS d
    CROSS JOIN LATERAL store.basis_of(d.pair, d.contract, basis."from", basis."to", basis.as_of) AS m
$$;

-- The term structure: every future of a coin in one minute, nearest expiry first.
CREATE VIEW term_structure AS
    SELECT coin, ts, instrument, expires_at, days_to_expiry, future_close, perpetual_close, basis, basis_fraction,
           annualised, structure, traded, fresh, index_price, index_basis, index_annualised, day, perpetual
    FROM basis_spread;

-- A minute of a dozen futures takes longer to plan than to read: it is planned once a session (a function with a setting is not put into
-- the statement that asks it).
CREATE FUNCTION term_structure_at(coin text, at timestamptz) RETURNS SETOF term_structure
LANGUAGE sql STABLE PARALLEL SAFE SET plan_cache_mode = force_generic_plan AS $$
    SELECT m.coin, m.ts, m.instrument, m.expires_at, m.days_to_expiry, m.future_close, m.perpetual_close, m.basis, m.basis_fraction,
           m.annualised, m.structure, m.traded, m.fresh, m.index_price, m.index_basis, m.index_annualised, m.day, m.perpetual
    FROM store.basis_pairs((at AT TIME ZONE 'UTC')::date, (at AT TIME ZONE 'UTC')::date, NULL) AS p
    -- by its key: a join may walk through the whole catalogue
    CROSS JOIN LATERAL (SELECT v AS contract FROM store.instrument v WHERE v.instrument_id = p.instrument_id LIMIT 1) AS i
    CROSS JOIN LATERAL store.basis_of(p, i.contract, date_trunc('minute', at, 'UTC'), date_trunc('minute', at, 'UTC') + interval '1 minute') AS m
    WHERE m.coin = term_structure_at.coin
    ORDER BY m.perpetual, m.expires_at
$$;

-- Annualised basis at constant maturities of 30, 90 and 180 days: linear in days to expiry between the two
-- futures around the tenor; NULL (never extrapolated) where the tenor lies outside them. Only futures measured
-- against the same perpetual are joined by a line.
CREATE VIEW basis_constant_maturity AS
    SELECT p.coin, p.ts, tenor.days AS tenor_days,
           CASE WHEN p.days = tenor.days THEN p.annualised
                WHEN p.days < tenor.days
                THEN p.annualised + (p.next_annualised - p.annualised) * (tenor.days - p.days) / (p.next_days - p.days) END AS annualised,
           CASE WHEN p.days <= tenor.days THEN p.instrument END AS near_instrument,
           CASE WHEN p.days >= tenor.days THEN p.instrument ELSE p.next_instrument END AS far_instrument,
           CASE WHEN p.days = tenor.days THEN p.traded WHEN p.days < tenor.days THEN p.traded AND p.next_traded END AS traded,
           CASE WHEN p.days = tenor.days THEN p.fresh WHEN p.days < tenor.days THEN p.fresh AND p.next_fresh END AS fresh,
           p.day, p.perpetual
    -- each point of a curve begins the line to the next one; the first one also ends what lies before it
    FROM (SELECT coin, perpetual, day, ts, days_to_expiry AS days, annualised, instrument, traded, fresh, row_number() OVER w = 1 AS is_first,
                 lead(days_to_expiry) OVER w AS next_days, lead(annualised) OVER w AS next_annualised,
                 lead(instrument) OVER w AS next_instrument, lead(traded) OVER w AS next_traded,
                 lead(fresh) OVER w AS next_fresh
          FROM term_structure WHERE annualised IS NOT NULL
          WINDOW w AS (PARTITION BY coin, perpetual, day, ts ORDER BY days_to_expiry)) AS p
    JOIN (VALUES (30), (90), (180)) AS tenor(days)
      ON p.days <= tenor.days AND coalesce(p.next_days > tenor.days, true) OR p.is_first AND p.days > tenor.days;

-- Of one coin, and of one perpetual where one is asked for: a coin with linear contracts has a curve each.
CREATE FUNCTION constant_maturity(coin text, "from" timestamptz, "to" timestamptz, perpetual text DEFAULT NULL)
RETURNS SETOF basis_constant_maturity
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.* FROM basis_constant_maturity b
    WHERE b.coin = constant_maturity.coin
      AND b.day >= (constant_maturity."from" AT TIME ZONE 'UTC')::date AND b.day <= (constant_maturity."to" AT TIME ZONE 'UTC')::date
      AND b.ts >= constant_maturity."from" AND b.ts < constant_maturity."to"
      AND (constant_maturity.perpetual IS NULL OR b.perpetual = constant_maturity.perpetual)
    ORDER BY b.ts, b.perpetual, b.tenor_days
$$;

-- The pairs of published days, from "from" to before "to" (NULL: all), of which no basis was computed yet: none at all, or
-- one of other versions, or one that was withdrawn.
CREATE FUNCTION store.basis_due("from" date, "to" date)
RETURNS TABLE (instrument_id integer, day date, future_version_id bigint, perpetual_id integer, perpetual_version_id bigint, minutes integer)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT c.instrument_id, c.day, c.version_id AS future_version_id, p.instrument_id AS perpetual_id, p.version_id AS perpetual_version_id,
           greatest(k.past - k.first - (c.n - c.present), 0) AS minutes
    FROM store.future f
    JOIN store.candle_day c ON c.instrument_id = f.instrument_id AND c.state = 'published'
         AND c.day >= f.from_day AND c.day < f.past_day
    -- each by its key and no other way (LIMIT 1)
    CROSS JOIN LATERAL (SELECT v.instrument_id, v.version_id FROM store.candle_day v
                        WHERE v.instrument_id = f.perpetual_id AND v.day = c.day AND v.state = 'published' LIMIT 1) AS p
    LEFT JOIN LATERAL (SELECT b.* FROM store.basis_day b WHERE b.instrument_id = c.instrument_id AND b.day = c.day
                       ORDER BY b.version_id DESC LIMIT 1) AS newest ON true
    CROSS JOIN LATERAL store.clip_minutes(c.day, c.first_minute, c.n, f.perpetual_begins, f.perpetual_ends) AS k
    WHERE c.day >= coalesce(basis_due."from", '-infinity') AND c.day < coalesce(basis_due."to", 'infinity')
      AND (newest.day IS NULL OR newest.state = 'withdrawn'
           OR (newest.future_version_id, newest.perpetual_id, newest.perpetual_version_id) <> (c.version_id, p.instrument_id, p.version_id))
$$;
