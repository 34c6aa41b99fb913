-- The basis takes its contract from whoever asks (these definitions replace those of 0010 and 0014). With nothing left
-- to join but what each pair of days leads to, no plan can change the order of time, so basis() needs no fence between
-- the minutes and what is asked of them: only the columns that are asked for are computed.

-- As in 0008; and an array that is wanted to the end of the day is taken as it is: cutting goes element by element.
CREATE OR REPLACE FUNCTION store.aligned(elements float8[], first integer, at integer, n integer) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN first IS NULL OR at IS NULL THEN NULL
                WHEN at = first AND at + n >= 1440 THEN elements
                WHEN at >= first THEN elements[at - first + 1 : at - first + n]
                ELSE array_fill(NULL::float8, ARRAY[least(first - at, n)]) || elements[1 : n - (first - at)] END
$$;

CREATE FUNCTION store.basis_of(pair store.basis_day, contract store.instrument, "from" timestamptz, "to" timestamptz)
RETURNS TABLE (instrument text, ts timestamptz, future_close float8, perpetual_close float8, basis float8,
               basis_fraction float8, days_to_expiry float8, annualised float8, structure text, traded boolean,
               index_price float8, index_basis float8, index_basis_fraction float8, index_annualised float8,
               coin text, perpetual text, expires_at timestamptz, day date, validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT contract.instrument,
           to_timestamp(w.epoch + 60 * m.i),
           m.future, m.perpetual,
           m.future - m.perpetual,
           (m.future - m.perpetual) / nullif(m.perpetual, 0),
           (w.minutes_left - m.i) / 1440,
           CASE WHEN m.i <= w.last_annualised
                THEN (m.future - m.perpetual) / nullif(m.perpetual, 0) * 365 * 1440 / (w.minutes_left - m.i) END,
           CASE WHEN m.future > m.perpetual THEN 'contango'
                WHEN m.future < m.perpetual THEN 'backwardation'
                WHEN m.future = m.perpetual THEN 'flat' END,
           m.volume > 0,
           t.index_price,
           m.future - t.index_price,
           (m.future - t.index_price) / nullif(t.index_price, 0),
           CASE WHEN m.i <= w.last_annualised
                THEN (m.future - t.index_price) / nullif(t.index_price, 0) * 365 * 1440 / (w.minutes_left - m.i) END,
           contract.base_currency, p.instrument, contract.expires_at, pair.day, pair.judged_by
    -- each by its key and no other way (LIMIT 1): between a minute and eight years no one plan of a join is right
    FROM (SELECT v.first_minute, v.n, v.close, v.volume FROM store.candle_day v
          WHERE v.instrument_id = pair.instrument_id AND v.day = pair.day AND v.load_id = pair.load_id
            AND v.validation_id IS NOT NULL LIMIT 1) AS c
    CROSS JOIN LATERAL (SELECT v.first_minute, v.close, i.instrument, date_trunc('minute', i.listed_at, 'UTC') AS born
                        FROM store.candle_day v JOIN store.instrument i USING (instrument_id)
                        WHERE v.instrument_id = pair.perpetual_id AND v.day = pair.day AND v.load_id = pair.perpetual_load_id
                          AND v.validation_id IS NOT NULL LIMIT 1) AS p
    LEFT JOIN LATERAL (SELECT v.hourly, v.minutes FROM store.index_day v
                       WHERE v.index_name = contract.price_index AND v.day = pair.day AND v.published LIMIT 1) AS x ON true
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM pair.day)::float8 AS midnight, extract(epoch FROM contract.expires_at)::float8 AS expiry) AS e
    CROSS JOIN LATERAL store.cut(pair.day, c.first_minute, c.n, greatest("from", p.born), "to") AS k
    CROSS JOIN LATERAL (
        SELECT k.first, k.past - k.first AS n, e.midnight + 60 * (k.first - 1) AS epoch,
               (e.expiry - e.midnight) / 60 - k.first AS minutes_left,
               floor((e.expiry - e.midnight) / 60 - k.first - 1440) AS last_annualised OFFSET 0) AS w
    CROSS JOIN LATERAL (
        SELECT unnest(store.aligned(c.close, c.first_minute, w.first, w.n)) AS future,
               unnest(store.aligned(c.volume, c.first_minute, w.first, w.n)) AS volume,
               unnest(store.aligned(p.close, p.first_minute, w.first, w.n)) AS perpetual,
               unnest(store.aligned(x.minutes, 0, w.first, w.n)) AS charted, generate_series(1, w.n) AS i) AS m
    CROSS JOIN LATERAL (
        SELECT CASE WHEN (w.first + m.i) % 60 = 0
                    THEN coalesce(x.hourly[(w.first + m.i) / 60], m.charted) ELSE m.charted END AS index_price
    ) AS t
    WHERE w.n > 0
$$;

CREATE OR REPLACE VIEW basis_spread AS
    SELECT m.*
    FROM store.basis_day b JOIN store.instrument i USING (instrument_id)
    CROSS JOIN LATERAL store.basis_of(b, i, '-infinity', 'infinity') AS m
    WHERE b.published;

-- In order of time: the days are sorted (OFFSET 0 keeps them so), their minutes are so anyway.
CREATE OR REPLACE FUNCTION basis(instrument text, "from" timestamptz, "to" timestamptz) RETURNS SETOF basis_spread
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.*
    FROM (SELECT b AS pair, i AS contract FROM store.basis_day b JOIN store.instrument i USING (instrument_id)
          WHERE i.instrument = basis.instrument AND b.published
            AND b.day >= (basis."from" AT TIME ZONE 'UTC')::date AND b.day <= (basis."to" AT TIME ZONE 'UTC')::date
          ORDER BY b.day OFFSET 0) AS d
    CROSS JOIN LATERAL store.basis_of(d.pair, d.contract, basis."from", basis."to") AS m
$$;

CREATE OR REPLACE FUNCTION term_structure_at(coin text, at timestamptz) RETURNS SETOF term_structure
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.coin, m.ts, m.instrument, m.expires_at, m.days_to_expiry, m.future_close, m.perpetual_close, m.basis, m.basis_fraction,
           m.annualised, m.structure, m.traded, m.index_price, m.index_basis, m.index_annualised, m.day, m.perpetual
    FROM store.basis_day b
    -- by its key: a join may walk through the whole catalogue
    CROSS JOIN LATERAL (SELECT v AS contract FROM store.instrument v WHERE v.instrument_id = b.instrument_id LIMIT 1) AS i
    CROSS JOIN LATERAL store.basis_of(b, i.contract, date_trunc('minute', at, 'UTC'), date_trunc('minute', at, 'UTC') + interval '1 minute') AS m
    WHERE b.day = (at AT TIME ZONE 'UTC')::date AND b.published AND m.coin = term_structure_at.coin
    ORDER BY m.perpetual, m.expires_at
$$;

DROP FUNCTION store.basis_of(store.basis_day, timestamptz, timestamptz);
