-- The basis of one validated pair of days, minute by minute with from <= ts < to, against the perpetual and, where it
-- is known, the true index: the one place where it is computed, for whole years (basis_spread) as for a single minute
-- (term_structure_at). It begins with the perpetual's first candle. Computed from the very versions that were validated,
-- also when a newer one was published since. Annualised by the 525,600 minutes of a year. What is no price is NULL
-- (store.price), so no quotient can fail. It takes its contract from whoever asks: with nothing left to join but what
-- each pair of days leads to, no plan can change the order of time, and only the columns that are asked for are computed.
-- What is the same for all minutes of a day is computed once (OFFSET 0 keeps the planner from repeating it).
CREATE FUNCTION store.basis_of(pair store.basis_day, contract store.instrument, "from" timestamptz, "to" timestamptz)
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
           CASE WHEN m.future IS NOT NULL THEN get_bit(w.traded, w.first + m.i - 1) = 1 END,
           get_bit(w.fresh, w.first + m.i - 1) = 1,
           t.index_price,
           m.future - t.index_price,
           (m.future - t.index_price) / t.index_price,
           CASE WHEN m.i <= w.last_annualised
                THEN (m.future - t.index_price) / t.index_price * 525600 / (w.minutes_left - m.i) END,
           contract.base_currency, p.instrument, contract.expires_at, pair.day, pair.validation_id
    -- each by its key and no other way (LIMIT 1): between a minute and eight years no one plan of a join is right
    FROM (SELECT v.first_minute, v.n, store.prices(v.close, v.calculable) AS close, v.fresh, v.traded FROM store.candle_day v
          WHERE v.instrument_id = pair.instrument_id AND v.day = pair.day AND v.version_id = pair.future_version_id LIMIT 1) AS c
    CROSS JOIN LATERAL (SELECT v.first_minute, store.prices(v.close, v.calculable) AS close, v.fresh, i.instrument,
                               CASE WHEN v.present < 1440 THEN store.first_candle_minute(v.instrument_id, v.day, v.first_minute, v.close) ELSE 0 END AS begins
                        FROM store.candle_day v JOIN store.instrument i USING (instrument_id)
                        WHERE v.instrument_id = pair.perpetual_id AND v.day = pair.day AND v.version_id = pair.perpetual_version_id LIMIT 1) AS p
    LEFT JOIN LATERAL (SELECT v.hourly, v.minutes FROM store.index_day v
                       WHERE v.index_name = contract.price_index AND v.day = pair.day AND v.state = 'published' LIMIT 1) AS x ON true
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM pair.day)::float8 AS midnight, extract(epoch FROM contract.expires_at)::float8 AS expiry) AS e
    CROSS JOIN LATERAL store.clip_minutes(pair.day, c.first_minute, c.n, "from", "to") AS k
    CROSS JOIN LATERAL (SELECT greatest(k.first, p.begins) AS first) AS b
    CROSS JOIN LATERAL (
        SELECT b.first, k.past - b.first AS n, c.fresh & p.fresh AS fresh, c.traded, e.midnight + 60 * (b.first - 1) AS epoch,
               (e.expiry - e.midnight) / 60 - b.first AS minutes_left,
               floor((e.expiry - e.midnight) / 60 - b.first - 1440) AS last_annualised OFFSET 0) AS w
    CROSS JOIN LATERAL (
        SELECT unnest(store.slice_minutes(c.close, c.first_minute, w.first, w.n)) AS future,
               unnest(store.slice_minutes(p.close, p.first_minute, w.first, w.n)) AS perpetual,
               unnest(store.slice_minutes(x.minutes, 0, w.first, w.n)) AS charted, generate_series(1, w.n) AS i) AS m
    CROSS JOIN LATERAL (
        SELECT CASE WHEN (w.first + m.i) % 60 = 0
                    THEN coalesce(store.price(x.hourly[(w.first + m.i) / 60]), store.price(m.charted)) ELSE store.price(m.charted) END AS index_price
    ) AS t
    WHERE w.n > 0
$$;

-- The basis of open days, minute by minute, from the published minutes of both legs: the arithmetic of store.basis_of, for days of
-- which no pair is published, now or at the moment as_of. A minute that one of the legs lacks has no row. There is no true index
-- by the minute before its day is closed. What is paired with what is asked only where there are such minutes (the CTE is not
-- computed before somebody wants its first row).
CREATE FUNCTION store.open_basis(as_of timestamptz)
RETURNS TABLE (instrument text, ts timestamptz, future_close float8, perpetual_close float8, basis float8,
               basis_fraction float8, days_to_expiry float8, annualised float8, structure text, traded boolean, fresh boolean,
               index_price float8, index_basis float8, index_basis_fraction float8, index_annualised float8,
               coin text, perpetual text, expires_at timestamptz, day date, validation_id bigint, instrument_id integer)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH future AS MATERIALIZED (
        SELECT f.instrument_id, f.perpetual_id, f.from_day, f.past_day FROM store.future f
    )
    SELECT i.instrument, o.ts, m.future, m.perpetual, m.future - m.perpetual, (m.future - m.perpetual) / m.perpetual, m.minutes_left / 1440,
           CASE WHEN m.minutes_left >= 1440 THEN (m.future - m.perpetual) / m.perpetual * 525600 / m.minutes_left END,
           CASE WHEN m.future > m.perpetual THEN 'contango'
                WHEN m.future < m.perpetual THEN 'backwardation'
                WHEN m.future = m.perpetual THEN 'flat' END,
           CASE WHEN m.future IS NOT NULL THEN o.volume > 0 END, o.fresh AND p.fresh,
           NULL::float8, NULL::float8, NULL::float8, NULL::float8,
           i.base_currency, q.instrument, i.expires_at, o.day, greatest(o.validation_id, p.validation_id), o.instrument_id
    FROM store.open_candle o
    JOIN future f ON f.instrument_id = o.instrument_id AND o.day >= f.from_day AND o.day < f.past_day
    JOIN store.open_candle p ON p.instrument_id = f.perpetual_id AND p.day = o.day AND p.ts = o.ts
         AND CASE WHEN open_basis.as_of IS NULL THEN p.state = 'published' ELSE p.shown @> (SELECT store.as_of(open_basis.as_of)) END
    JOIN store.instrument i ON i.instrument_id = o.instrument_id
    JOIN store.instrument q ON q.instrument_id = p.instrument_id
    CROSS JOIN LATERAL (SELECT store.price(o.close) AS future, store.price(p.close) AS perpetual,
                               (extract(epoch FROM i.expires_at)::float8 - extract(epoch FROM o.ts)::float8) / 60 - 1 AS minutes_left OFFSET 0) AS m
    WHERE CASE WHEN open_basis.as_of IS NULL THEN o.state = 'published' ELSE o.shown @> (SELECT store.as_of(open_basis.as_of)) END
      AND NOT EXISTS (SELECT FROM store.basis_day b
                      WHERE b.instrument_id = o.instrument_id AND b.day = o.day
                        AND CASE WHEN open_basis.as_of IS NULL THEN b.state = 'published' ELSE b.shown @> (SELECT store.as_of(open_basis.as_of)) END)
$$;

-- The basis of every minute of every published future, of closed days and of open ones (store.open_basis).
--   basis            USD, future close - perpetual close
--   basis_fraction   basis / perpetual close
--   days_to_expiry   from the END of the minute, fractional
--   annualised       simple, basis_fraction * 365 / days_to_expiry; NULL under one day, where it explodes
--   traded           the future traded in that minute; otherwise its close is stale
--   fresh            both legs traded in it at the prices shown: the minutes a basis can be relied on
-- Say the day as well as the ts when you filter (or use basis() and term_structure_at()): only the day is indexed.
CREATE VIEW basis_spread AS
    SELECT m.*
    FROM store.basis_day b JOIN store.instrument i USING (instrument_id)
    CROSS JOIN LATERAL store.basis_of(b, i, '-infinity', 'infinity') AS m
    WHERE b.state = 'published'
    UNION ALL
    SELECT o.instrument, o.ts, o.future_close, o.perpetual_close, o.basis, o.basis_fraction, o.days_to_expiry, o.annualised, o.structure,
           o.traded, o.fresh, o.index_price, o.index_basis, o.index_basis_fraction, o.index_annualised, o.coin, o.perpetual, o.expires_at,
           o.day, o.validation_id
    FROM store.open_basis(NULL) AS o;

-- The first day with minutes that live has brought of an instrument (a name, or name#id) with from <= ts < to; NULL: there is none.
CREATE FUNCTION store.first_open_day(instrument text, "from" timestamptz, "to" timestamptz) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (SELECT v.day FROM store.open_candle v
            WHERE v.instrument_id = store.instrument_named(first_open_day.instrument, first_open_day."from", first_open_day."to")
              AND v.ts >= first_open_day."from" AND v.ts < first_open_day."to" ORDER BY v.ts LIMIT 1)
$$;

-- What basis() answers of the days from "since" on, the first of which there are open minutes: closed and open days in turn. It
-- is planned when it is called, which is where there are such minutes: within basis() it would cost every question of closed
-- days its plan, and all columns.
CREATE FUNCTION store.open_days_basis(id integer, since date, "from" timestamptz, "to" timestamptz, as_of timestamptz) RETURNS SETOF basis_spread
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT m.instrument, m.ts, m.future_close, m.perpetual_close, m.basis, m.basis_fraction, m.days_to_expiry, m.annualised, m.structure,
               m.traded, m.fresh, m.index_price, m.index_basis, m.index_basis_fraction, m.index_annualised, m.coin, m.perpetual, m.expires_at,
               m.day, CASE WHEN open_days_basis.as_of IS NULL OR d.is_open THEN m.validation_id
                           ELSE store.published_by((d.pair).shown, (SELECT store.as_of(open_days_basis.as_of))) END
        FROM (SELECT b AS pair, i AS contract, b.day, false AS is_open FROM store.basis_day b JOIN store.instrument i USING (instrument_id)
              WHERE i.instrument_id = open_days_basis.id
                AND CASE WHEN open_days_basis.as_of IS NULL THEN b.state = 'published' ELSE b.shown @> (SELECT store.as_of(open_days_basis.as_of)) END
                AND b.day >= open_days_basis.since AND b.day <= (open_days_basis."to" AT TIME ZONE 'UTC')::date
              UNION ALL
              SELECT NULL, i, o.day, true
              FROM (SELECT DISTINCT v.instrument_id, v.day FROM store.open_candle v
                    WHERE v.instrument_id = open_days_basis.id
                      AND v.ts >= open_days_basis."from" AND v.ts < open_days_basis."to") AS o
              JOIN store.instrument i USING (instrument_id)
              ORDER BY 3 OFFSET 0) AS d
        CROSS JOIN LATERAL (
            SELECT x.* FROM store.basis_of(d.pair, d.contract, open_days_basis."from", open_days_basis."to") AS x WHERE NOT d.is_open
            UNION ALL
            SELECT * FROM (SELECT o.instrument, o.ts, o.future_close, o.perpetual_close, o.basis, o.basis_fraction, o.days_to_expiry, o.annualised, o.structure,
                                  o.traded, o.fresh, o.index_price, o.index_basis, o.index_basis_fraction, o.index_annualised, o.coin, o.perpetual, o.expires_at,
                                  o.day, o.validation_id
                           FROM store.open_basis(open_days_basis.as_of) AS o
                           WHERE d.is_open AND o.instrument_id = (d.contract).instrument_id AND o.day = d.day
                             AND o.ts >= open_days_basis."from" AND o.ts < open_days_basis."to"
                           ORDER BY o.ts) AS r
        ) AS m;
END
$$;

-- The basis of one future (a name, or name#id: see store.instrument_named) with from <= ts < to, in order of time: what is
-- published, or what was published at the moment as_of. The days are sorted (OFFSET 0 keeps them so), their minutes are so
-- anyway. The index beside a basis is always today's: it is no part of the pair that was published.
CREATE FUNCTION basis(instrument text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL) RETURNS SETOF basis_spread
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.instrument, m.ts, m.future_close, m.perpetual_close, m.basis, m.basis_fraction, m.days_to_expiry, m.annualised, m.structure,
           m.traded, m.fresh, m.index_price, m.index_basis, m.index_basis_fraction, m.index_annualised, m.coin, m.perpetual, m.expires_at,
           m.day, CASE WHEN basis.as_of IS NULL THEN m.validation_id
                       ELSE store.published_by((d.pair).shown, (SELECT store.as_of(basis.as_of))) END
    FROM (SELECT b AS pair, i AS contract FROM store.basis_day b JOIN store.instrument i USING (instrument_id)
          WHERE i.instrument_id = store.instrument_named(basis.instrument, basis."from", basis."to")
            AND CASE WHEN basis.as_of IS NULL THEN b.state = 'published' ELSE b.shown @> (SELECT store.as_of(basis.as_of)) END
      -- a time that store.as_of() refuses is an error even if there are no rows
      AND (basis.as_of IS NULL OR (SELECT store.as_of(basis.as_of)) IS NOT NULL)
            AND b.day >= (basis."from" AT TIME ZONE 'UTC')::date AND b.day <= (basis."to" AT TIME ZONE 'UTC')::date
            AND b.day < coalesce((SELECT store.first_open_day(basis.instrument, basis."from", basis."to")), 'infinity')
          ORDER BY b.day OFFSET 0) AS d
    CROSS JOIN LATERAL store.basis_of(d.pair, d.contract, basis."from", basis."to") AS m
    UNION ALL
    SELECT o.* FROM store.open_days_basis(store.instrument_named(basis.instrument, basis."from", basis."to"),
                                          store.first_open_day(basis.instrument, basis."from", basis."to"), basis."from", basis."to", basis.as_of) AS o
    WHERE (SELECT store.first_open_day(basis.instrument, basis."from", basis."to")) IS NOT NULL
$$;

-- The term structure: every future of a coin in one minute, nearest expiry first.
CREATE VIEW term_structure AS
    SELECT coin, ts, instrument, expires_at, days_to_expiry, future_close, perpetual_close, basis, basis_fraction,
           annualised, structure, traded, fresh, index_price, index_basis, index_annualised, day, perpetual
    FROM basis_spread;

-- What term_structure_at() answers of an open day. It is planned when it is called, as store.open_days_basis is.
CREATE FUNCTION store.open_term_structure(coin text, at timestamptz) RETURNS SETOF term_structure
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT o.coin, o.ts, o.instrument, o.expires_at, o.days_to_expiry, o.future_close, o.perpetual_close, o.basis, o.basis_fraction,
               o.annualised, o.structure, o.traded, o.fresh, o.index_price, o.index_basis, o.index_annualised, o.day, o.perpetual
        FROM store.open_basis(NULL) AS o
        WHERE o.day = (open_term_structure.at AT TIME ZONE 'UTC')::date AND o.ts = date_trunc('minute', open_term_structure.at, 'UTC')
          AND o.coin = open_term_structure.coin;
END
$$;

CREATE FUNCTION term_structure_at(coin text, at timestamptz) RETURNS SETOF term_structure
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.coin, m.ts, m.instrument, m.expires_at, m.days_to_expiry, m.future_close, m.perpetual_close, m.basis, m.basis_fraction,
           m.annualised, m.structure, m.traded, m.fresh, m.index_price, m.index_basis, m.index_annualised, m.day, m.perpetual
    FROM store.basis_day b
    -- by its key: a join may walk through the whole catalogue
    CROSS JOIN LATERAL (SELECT v AS contract FROM store.instrument v WHERE v.instrument_id = b.instrument_id LIMIT 1) AS i
    CROSS JOIN LATERAL store.basis_of(b, i.contract, date_trunc('minute', at, 'UTC'), date_trunc('minute', at, 'UTC') + interval '1 minute') AS m
    WHERE b.day = (at AT TIME ZONE 'UTC')::date AND b.state = 'published' AND m.coin = term_structure_at.coin
    UNION ALL
    SELECT o.* FROM store.open_term_structure(term_structure_at.coin, term_structure_at.at) AS o
    WHERE EXISTS (SELECT FROM store.open_candle v
                  WHERE v.day = (at AT TIME ZONE 'UTC')::date AND v.ts = date_trunc('minute', at, 'UTC') AND v.state = 'published')
    ORDER BY perpetual, expires_at
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
