-- The minute of the day a perpetual's candles begin with: what lies before its very first candle was never there. To be
-- asked only of days in which something is missing.
CREATE FUNCTION store.first_candle_minute(instrument_id integer, day date, first_minute integer, close float8[])
RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM store.candle_day v WHERE v.instrument_id = first_candle_minute.instrument_id AND v.day < first_candle_minute.day) THEN 0
                ELSE first_minute + (SELECT min(u.i)::integer - 1 FROM unnest(close) WITH ORDINALITY AS u(close, i) WHERE u.close IS NOT NULL) END
$$;

-- The published minutes of open days: those of which no closed day is published, and where one is held back.
CREATE VIEW store.open_minute AS
    SELECT o.* FROM store.open_candle o
    WHERE o.state = 'published'
      AND NOT EXISTS (SELECT FROM store.candle_day c WHERE c.instrument_id = o.instrument_id AND c.day = o.day AND c.state = 'published');

-- Every value of a minute of an open day that differs between a version that was once shown and the next one that was.
CREATE VIEW store.open_minute_correction AS
    SELECT o.instrument_id, o.day, o.ts, f.field, f.old, f.new, v.validated_at AS corrected_at, v.validation_id,
           o.version_id AS old_version_id, n.version_id AS new_version_id
    FROM store.open_candle o
    CROSS JOIN LATERAL (SELECT c.* FROM store.open_candle c
                        WHERE c.instrument_id = o.instrument_id AND c.ts = o.ts AND c.version_id > o.version_id AND NOT isempty(c.shown)
                        ORDER BY c.version_id LIMIT 1) AS n
    JOIN store.validation v ON v.validation_id = lower(n.shown)
    CROSS JOIN LATERAL (VALUES ('open', o.open, n.open), ('high', o.high, n.high), ('low', o.low, n.low), ('close', o.close, n.close),
                               ('volume', o.volume, n.volume), ('cost', o.cost, n.cost)) AS f(field, old, new)
    WHERE o.state IN ('held', 'superseded') AND NOT isempty(o.shown) AND f.old IS DISTINCT FROM f.new;

-- Every published minute of every kind of instrument, of closed days and of open ones. A missing minute of a closed day is a row
-- of NULLs; of an open day it has no row.
--   traded  something traded in that minute; otherwise its prices are the last close, carried on
--   fresh   trades at these very prices were among it: read prices where they are fresh (see store.candle_day)
-- Arrays side by side in a SELECT list are unnested in step, a row at a time; in FROM each is first stored as a table.
-- Say the day as well as the ts when you filter (or use candles() and candle_at()): only the day is indexed.
CREATE VIEW candle AS
    SELECT i.instrument,
           to_timestamp(e.epoch + 60 * m.i) AS ts,
           m.open, m.high, m.low, m.close, m.volume, m.cost, m.volume > 0 AS traded,
           get_bit(c.fresh, c.first_minute + m.i - 1) = 1 AS fresh,
           c.day, i.kind, i.settlement_period, l.host, l.loaded_at, c.validation_id, v.validated_at
    FROM store.candle_day c
    JOIN store.instrument i USING (instrument_id)
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v USING (validation_id)
    CROSS JOIN LATERAL (SELECT extract(epoch FROM c.day)::float8 + 60 * (c.first_minute - 1) AS epoch OFFSET 0) AS e
    CROSS JOIN LATERAL (
        SELECT unnest(c.open) AS open, unnest(c.high) AS high, unnest(c.low) AS low, unnest(c.close) AS close,
               unnest(c.volume) AS volume, unnest(c.cost) AS cost, generate_series(1, c.n) AS i) AS m
    WHERE c.state = 'published'
    UNION ALL
    SELECT i.instrument, o.ts, o.open, o.high, o.low, o.close, o.volume, o.cost, o.volume > 0, o.fresh,
           o.day, i.kind, i.settlement_period, l.host, l.loaded_at, o.validation_id, v.validated_at
    FROM store.open_minute o
    JOIN store.instrument i USING (instrument_id)
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v USING (validation_id);

CREATE VIEW perpetuals_ohlcv AS
    SELECT instrument, ts, open, high, low, close, volume, cost, traded, fresh, day, host, loaded_at, validation_id, validated_at
    FROM candle WHERE kind = 'future' AND settlement_period = 'perpetual';

CREATE VIEW futures_ohlcv AS
    SELECT instrument, ts, open, high, low, close, volume, cost, traded, fresh, day, host, loaded_at, validation_id, validated_at
    FROM candle WHERE kind = 'future' AND settlement_period <> 'perpetual';

-- The candles of one instrument (a name, or name#id: see store.instrument_named) with from <= ts < to, in order of time:
-- what is published, or what was published at the moment as_of. The days are sorted, their minutes are so anyway. A day is
-- cut to the range as arrays, before there are rows; of an open day ("n" is NULL) there are rows.
CREATE FUNCTION candles(instrument text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL)
RETURNS TABLE (ts timestamptz, open float8, high float8, low float8, close float8, volume float8, cost float8, traded boolean, fresh boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.ts, m.open, m.high, m.low, m.close, m.volume, m.cost, m.volume > 0, m.fresh
    FROM (SELECT c.instrument_id, c.day, c.open, c.high, c.low, c.close, c.volume, c.cost, c.fresh, k.first AS minute,
                 k.first - c.first_minute + 1 AS first, k.past - c.first_minute AS last, k.past - k.first AS n,
                 extract(epoch FROM c.day)::float8 + 60 * (k.first - 1) AS epoch
          FROM store.candle_day c
          CROSS JOIN LATERAL store.clip_minutes(c.day, c.first_minute, c.n, candles."from", candles."to") AS k
          WHERE c.instrument_id = store.instrument_named(candles.instrument, candles."from", candles."to") AND CASE WHEN candles.as_of IS NULL THEN c.state = 'published' ELSE c.shown @> (SELECT store.as_of(candles.as_of)) END
            -- a time of which not all is known is an error even if there are no rows
            AND (candles.as_of IS NULL OR (SELECT store.minutes_kept(candles.as_of, candles."from", candles."to")))
            AND c.day >= (candles."from" AT TIME ZONE 'UTC')::date AND c.day <= (candles."to" AT TIME ZONE 'UTC')::date
          UNION ALL
          SELECT o.instrument_id, o.day, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
          FROM (SELECT DISTINCT v.instrument_id, v.day FROM store.open_candle v
                WHERE v.instrument_id = store.instrument_named(candles.instrument, candles."from", candles."to")
                  AND v.ts >= candles."from" AND v.ts < candles."to"
                  AND CASE WHEN candles.as_of IS NULL THEN v.state = 'published' ELSE v.shown @> (SELECT store.as_of(candles.as_of)) END) AS o
          WHERE NOT EXISTS (SELECT FROM store.candle_day c
                            WHERE c.instrument_id = o.instrument_id AND c.day = o.day
                              AND CASE WHEN candles.as_of IS NULL THEN c.state = 'published' ELSE c.shown @> (SELECT store.as_of(candles.as_of)) END)
          ORDER BY 2 OFFSET 0) AS d
    CROSS JOIN LATERAL (
        SELECT to_timestamp(d.epoch + 60 * a.i) AS ts, a.open, a.high, a.low, a.close, a.volume, a.cost, get_bit(d.fresh, d.minute + a.i - 1) = 1 AS fresh
        FROM (SELECT unnest(d.open[d.first : d.last]) AS open, unnest(d.high[d.first : d.last]) AS high,
                     unnest(d.low[d.first : d.last]) AS low, unnest(d.close[d.first : d.last]) AS close,
                     unnest(d.volume[d.first : d.last]) AS volume, unnest(d.cost[d.first : d.last]) AS cost,
                     generate_series(1, d.n) AS i) AS a
        UNION ALL
        SELECT * FROM (SELECT o.ts, o.open, o.high, o.low, o.close, o.volume, o.cost, o.fresh FROM store.open_candle o
                       WHERE d.n IS NULL AND o.instrument_id = d.instrument_id
                         AND o.ts >= greatest(candles."from", d.day::timestamp AT TIME ZONE 'UTC')
                         AND o.ts < least(candles."to", (d.day + 1)::timestamp AT TIME ZONE 'UTC')
                         AND CASE WHEN candles.as_of IS NULL THEN o.state = 'published' ELSE o.shown @> (SELECT store.as_of(candles.as_of)) END
                       ORDER BY o.ts) AS r
    ) AS m
$$;

-- The candle of every instrument in the minute that "at" lies in.
CREATE FUNCTION candle_at(at timestamptz)
RETURNS TABLE (instrument text, ts timestamptz, open float8, high float8, low float8, close float8, volume float8, cost float8, traded boolean,
               fresh boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT i.instrument, date_trunc('minute', candle_at.at), m.open, m.high, m.low, m.close, m.volume, m.cost, m.volume > 0, m.fresh
    FROM (SELECT c.instrument_id, a.*, get_bit(c.fresh, store.minute_of(candle_at.at)) = 1 AS fresh
          FROM store.candle_day c
          CROSS JOIN LATERAL (SELECT store.minute_of(candle_at.at) - c.first_minute + 1 AS i) AS e
          CROSS JOIN LATERAL (SELECT c.open[e.i] AS open, c.high[e.i] AS high, c.low[e.i] AS low, c.close[e.i] AS close,
                                     c.volume[e.i] AS volume, c.cost[e.i] AS cost OFFSET 0) AS a
          WHERE c.day = (candle_at.at AT TIME ZONE 'UTC')::date AND c.state = 'published' AND e.i BETWEEN 1 AND c.n
          UNION ALL
          SELECT o.instrument_id, o.open, o.high, o.low, o.close, o.volume, o.cost, o.fresh FROM store.open_minute o
          WHERE o.day = (candle_at.at AT TIME ZONE 'UTC')::date AND o.ts = date_trunc('minute', candle_at.at, 'UTC')) AS m
    JOIN store.instrument i USING (instrument_id)
    ORDER BY i.instrument
$$;
