-- The basis of every minute of every published future, against the perpetual and, where it is known, the
-- true index. Computed from the very versions that were judged; a pair with a republished input is not shown.
--   basis            USD, future close - perpetual close
--   basis_fraction   basis / perpetual close
--   days_to_expiry   from the END of the minute, fractional
--   annualised       simple, basis_fraction * 365 / days_to_expiry; NULL under one day, where it explodes
--   traded           the future traded in that minute; otherwise its close is stale
CREATE VIEW basis_spread AS
    SELECT f.instrument,
           b.day::timestamp AT TIME ZONE 'UTC' + (c.first_minute + m.i - 1) * interval '1 minute' AS ts,
           m.future AS future_close, m.perpetual AS perpetual_close,
           m.future - m.perpetual AS basis,
           (m.future - m.perpetual) / m.perpetual AS basis_fraction,
           t.days AS days_to_expiry,
           CASE WHEN t.days >= 1 THEN (m.future - m.perpetual) / m.perpetual * 365 / t.days END AS annualised,
           CASE WHEN m.future > m.perpetual THEN 'contango'
                WHEN m.future < m.perpetual THEN 'backwardation'
                WHEN m.future = m.perpetual THEN 'flat' END AS structure,
           m.volume > 0 AS traded,
           t.index_price,
           m.future - t.index_price AS index_basis,
           (m.future - t.index_price) / t.index_price AS index_basis_fraction,
           CASE WHEN t.days >= 1 THEN (m.future - t.index_price) / t.index_price * 365 / t.days END AS index_annualised,
           f.base_currency AS coin, f.perpetual, f.expires_at, b.day, b.judged_by AS validation_id
    FROM store.basis_day b
    JOIN store.future f ON f.instrument_id = b.instrument_id AND f.perpetual_id = b.perpetual_id
    JOIN store.candle_day c ON c.instrument_id = b.instrument_id AND c.day = b.day AND c.load_id = b.load_id
    JOIN store.candle_day p ON p.instrument_id = b.perpetual_id AND p.day = b.day AND p.load_id = b.perpetual_load_id
    LEFT JOIN store.index_day x ON x.index_name = f.price_index AND x.day = b.day AND x.published
    CROSS JOIN LATERAL (
        SELECT (extract(epoch FROM f.expires_at)::float8 - extract(epoch FROM b.day)::float8) / 60 AS minutes_to_expiry
    ) AS d
    CROSS JOIN LATERAL unnest(c.close, c.volume, store.aligned(p.close, p.first_minute, c.first_minute, c.n),
                              store.aligned(x.minutes, 0::smallint, c.first_minute, c.n))
        WITH ORDINALITY AS m(future, volume, perpetual, charted, i)
    CROSS JOIN LATERAL (
        SELECT (d.minutes_to_expiry - (c.first_minute + m.i)) / 1440 AS days,
               CASE WHEN (c.first_minute + m.i) % 60 = 0
                    THEN coalesce(x.hourly[(c.first_minute + m.i) / 60], m.charted) ELSE m.charted END AS index_price
    ) AS t
    WHERE b.published AND c.validation_id IS NOT NULL AND p.validation_id IS NOT NULL;

-- The basis of one future with from <= ts < to.
CREATE FUNCTION basis(instrument text, "from" timestamptz, "to" timestamptz) RETURNS SETOF basis_spread
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.* FROM basis_spread b
    WHERE b.instrument = basis.instrument
      AND b.day >= (basis."from" AT TIME ZONE 'UTC')::date AND b.day <= (basis."to" AT TIME ZONE 'UTC')::date
      AND b.ts >= basis."from" AND b.ts < basis."to"
    ORDER BY b.ts
$$;

-- The term structure: every future of a coin in one minute, nearest expiry first.
CREATE VIEW term_structure AS
    SELECT coin, ts, instrument, expires_at, days_to_expiry, future_close, perpetual_close, basis, basis_fraction,
           annualised, structure, traded, index_price, index_basis, index_annualised, day
    FROM basis_spread;

CREATE FUNCTION term_structure_at(coin text, at timestamptz) RETURNS SETOF term_structure
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT s.* FROM term_structure s
    WHERE s.coin = term_structure_at.coin AND s.day = (at AT TIME ZONE 'UTC')::date AND s.ts = date_trunc('minute', at)
    ORDER BY s.expires_at
$$;

-- Annualised basis at constant maturities of 30, 90 and 180 days: linear in days to expiry between the two
-- futures around the tenor; NULL (never extrapolated) where the tenor lies outside them.
CREATE VIEW basis_constant_maturity AS
    SELECT s.coin, s.ts, tenor.days AS tenor_days,
           near.annualised + (far.annualised - near.annualised)
               * CASE WHEN far.days_to_expiry = near.days_to_expiry THEN 0
                      ELSE (tenor.days - near.days_to_expiry) / (far.days_to_expiry - near.days_to_expiry) END AS annualised,
           near.instrument AS near_instrument, far.instrument AS far_instrument,
           near.traded AND far.traded AS traded, s.day
    FROM (SELECT coin, day, ts, array_agg(term_structure ORDER BY days_to_expiry) AS curve
          FROM term_structure WHERE annualised IS NOT NULL GROUP BY coin, day, ts) AS s
    CROSS JOIN (VALUES (30), (90), (180)) AS tenor(days)
    LEFT JOIN LATERAL (SELECT p.* FROM unnest(s.curve) AS p WHERE p.days_to_expiry <= tenor.days
                       ORDER BY p.days_to_expiry DESC LIMIT 1) AS near ON true
    LEFT JOIN LATERAL (SELECT p.* FROM unnest(s.curve) AS p WHERE p.days_to_expiry >= tenor.days
                       ORDER BY p.days_to_expiry LIMIT 1) AS far ON true;

CREATE FUNCTION constant_maturity(coin text, "from" timestamptz, "to" timestamptz) RETURNS SETOF basis_constant_maturity
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.* FROM basis_constant_maturity b
    WHERE b.coin = constant_maturity.coin
      AND b.day >= (constant_maturity."from" AT TIME ZONE 'UTC')::date AND b.day <= (constant_maturity."to" AT TIME ZONE 'UTC')::date
      AND b.ts >= constant_maturity."from" AND b.ts < constant_maturity."to"
    ORDER BY b.ts, b.tenor_days
$$;
