-- These definitions take the place of those in 0008 to 0011, which stay as they were applied: the same, faster. Arrays side by side in a SELECT list are unnested in step, a row at a time;
-- in FROM each of them is first stored as a table of its own.
CREATE OR REPLACE VIEW candle AS
    SELECT i.instrument,
           to_timestamp(e.epoch + 60 * m.i) AS ts,
           m.open, m.high, m.low, m.close, m.volume, m.cost, m.volume > 0 AS traded,
           c.day, i.kind, i.settlement_period, l.host, l.loaded_at, c.validation_id, v.validated_at
    FROM store.candle_day c
    JOIN store.instrument i USING (instrument_id)
    JOIN store.load l USING (load_id)
    JOIN store.validation v USING (validation_id)
    CROSS JOIN LATERAL (SELECT extract(epoch FROM c.day)::float8 + 60 * (c.first_minute - 1) AS epoch OFFSET 0) AS e
    CROSS JOIN LATERAL (
        SELECT unnest(c.open) AS open, unnest(c.high) AS high, unnest(c.low) AS low, unnest(c.close) AS close,
               unnest(c.volume) AS volume, unnest(c.cost) AS cost, generate_series(1, c.n) AS i) AS m
    WHERE c.validation_id IS NOT NULL;

CREATE OR REPLACE FUNCTION candles(instrument text, "from" timestamptz, "to" timestamptz)
RETURNS TABLE (ts timestamptz, open float8, high float8, low float8, close float8, volume float8, cost float8, traded boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_timestamp(d.epoch + 60 * m.i), m.open, m.high, m.low, m.close, m.volume, m.cost, m.volume > 0
    FROM (SELECT c.open, c.high, c.low, c.close, c.volume, c.cost,
                 k.first - c.first_minute + 1 AS first, k.past - c.first_minute AS last,
                 extract(epoch FROM c.day)::float8 + 60 * (k.first - 1) AS epoch
          FROM store.candle_day c
          JOIN store.instrument i USING (instrument_id)
          CROSS JOIN LATERAL store.cut(c.day, c.first_minute, c.n, candles."from", candles."to") AS k
          WHERE i.instrument = candles.instrument AND c.validation_id IS NOT NULL
            AND c.day >= (candles."from" AT TIME ZONE 'UTC')::date AND c.day <= (candles."to" AT TIME ZONE 'UTC')::date
          ORDER BY c.day OFFSET 0) AS d
    CROSS JOIN LATERAL (
        SELECT unnest(d.open[d.first : d.last]) AS open, unnest(d.high[d.first : d.last]) AS high,
               unnest(d.low[d.first : d.last]) AS low, unnest(d.close[d.first : d.last]) AS close,
               unnest(d.volume[d.first : d.last]) AS volume, unnest(d.cost[d.first : d.last]) AS cost,
               generate_series(1, d.last - d.first + 1) AS i) AS m
$$;

CREATE OR REPLACE VIEW index_prices AS
    SELECT x.index_name, x.day::timestamp AT TIME ZONE 'UTC' + (p.first_minute + m.i - 1) * interval '1 minute' AS ts,
           coalesce(known.hourly, m.charted, m.proxy) AS price,
           CASE WHEN known.hourly IS NOT NULL THEN 'funding_history'
                WHEN m.charted IS NOT NULL THEN 'funding_chart'
                WHEN m.proxy IS NOT NULL THEN 'perpetual_proxy' END AS source,
           x.day, x.proxy_error_p95, x.judged_by AS validation_id
    FROM store.index_day x
    JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.load_id = x.perpetual_load_id
    CROSS JOIN LATERAL (
        SELECT unnest(p.close) AS proxy, unnest(store.aligned(x.minutes, 0, p.first_minute, p.n)) AS charted,
               generate_series(1, p.n) AS i) AS m
    CROSS JOIN LATERAL (SELECT CASE WHEN (p.first_minute + m.i) % 60 = 0 THEN x.hourly[(p.first_minute + m.i) / 60] END AS hourly) AS known
    WHERE x.published AND p.validation_id IS NOT NULL;

CREATE OR REPLACE FUNCTION store.basis_of(pair store.basis_day, "from" timestamptz, "to" timestamptz)
RETURNS TABLE (instrument text, ts timestamptz, future_close float8, perpetual_close float8, basis float8,
               basis_fraction float8, days_to_expiry float8, annualised float8, structure text, traded boolean,
               index_price float8, index_basis float8, index_basis_fraction float8, index_annualised float8,
               coin text, perpetual text, expires_at timestamptz, day date, validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT f.instrument,
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
           f.base_currency, p.instrument, f.expires_at, pair.day, pair.judged_by
    FROM store.instrument f
    -- each by its key and no other way (LIMIT 1): between a minute and eight years no one plan of a join is right
    CROSS JOIN LATERAL (SELECT v.first_minute, v.n, v.close, v.volume FROM store.candle_day v
                        WHERE v.instrument_id = pair.instrument_id AND v.day = pair.day AND v.load_id = pair.load_id
                          AND v.validation_id IS NOT NULL LIMIT 1) AS c
    CROSS JOIN LATERAL (SELECT v.first_minute, v.close, i.instrument, date_trunc('minute', i.listed_at, 'UTC') AS born
                        FROM store.candle_day v JOIN store.instrument i USING (instrument_id)
                        WHERE v.instrument_id = pair.perpetual_id AND v.day = pair.day AND v.load_id = pair.perpetual_load_id
                          AND v.validation_id IS NOT NULL LIMIT 1) AS p
    LEFT JOIN LATERAL (SELECT v.hourly, v.minutes FROM store.index_day v
                       WHERE v.index_name = f.price_index AND v.day = pair.day AND v.published LIMIT 1) AS x ON true
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM pair.day)::float8 AS midnight, extract(epoch FROM f.expires_at)::float8 AS expiry) AS e
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
    WHERE f.instrument_id = pair.instrument_id AND w.n > 0
$$;

CREATE OR REPLACE VIEW coverage AS
    SELECT i.instrument, i.settlement_period, c.month, e.minutes, c.present, e.minutes - c.present AS missing,
           c.published_days, c.published_minutes
    FROM (SELECT instrument_id, date_trunc('month', day::timestamp)::date AS month,
                 sum(present) FILTER (WHERE is_newest) AS present,
                 count(validation_id) AS published_days, coalesce(sum(present) FILTER (WHERE validation_id IS NOT NULL), 0) AS published_minutes
          FROM (SELECT instrument_id, day, present, validation_id,
                       lead(load_id) OVER (PARTITION BY instrument_id, day ORDER BY load_id) IS NULL AS is_newest
                FROM store.candle_day) AS versions
          GROUP BY 1, 2) AS c
    -- by its key: a join would read the whole catalogue, options and all
    CROSS JOIN LATERAL (SELECT * FROM store.instrument WHERE instrument_id = c.instrument_id LIMIT 1) AS i
    CROSS JOIN LATERAL (
        SELECT (extract(epoch FROM least((c.month + interval '1 month') AT TIME ZONE 'UTC', i.expires_at, date_trunc('minute', now()))
                            - greatest(c.month::timestamp AT TIME ZONE 'UTC', date_trunc('minute', i.listed_at))) / 60)::bigint AS minutes) AS e;
