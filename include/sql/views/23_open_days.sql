-- Every minute of days of which there are live minutes and a published closed day, side by side: a row a minute that either has. live
-- is NULL where live has none published, the others where the closed day has none.
CREATE VIEW store.live_and_closed AS
    SELECT d.instrument_id, d.day, c.version_id, b.*
    FROM (SELECT DISTINCT instrument_id, day FROM store.open_candle) AS d
    JOIN store.candle_day c ON c.instrument_id = d.instrument_id AND c.day = d.day AND c.state = 'published'
    CROSS JOIN LATERAL (SELECT extract(epoch FROM c.day)::float8 + 60 * (c.first_minute - 1) AS epoch OFFSET 0) AS e
    CROSS JOIN LATERAL (
        SELECT coalesce(m.ts, o.ts) AS ts, m.open, m.high, m.low, m.close, m.volume, m.cost, o.version_id AS live_version_id,
               o.open AS live_open, o.high AS live_high, o.low AS live_low, o.close AS live_close, o.volume AS live_volume, o.cost AS live_cost
        FROM (SELECT to_timestamp(e.epoch + 60 * u.i) AS ts, u.* FROM (
                  SELECT unnest(c.open) AS open, unnest(c.high) AS high, unnest(c.low) AS low, unnest(c.close) AS close,
                         unnest(c.volume) AS volume, unnest(c.cost) AS cost, generate_series(1, c.n) AS i) AS u
              WHERE u.open IS NOT NULL) AS m
        -- by the key of the table, of which the day is no part
        FULL JOIN (SELECT v.* FROM store.open_candle v
                   WHERE v.instrument_id = d.instrument_id AND v.ts >= d.day::timestamp AT TIME ZONE 'UTC'
                     AND v.ts < (d.day + 1)::timestamp AT TIME ZONE 'UTC' AND v.state = 'published') AS o ON o.ts = m.ts) AS b;

-- Where live and the closed day differ, value by value; live is NULL where it missed the minute, closed where the closed day lacks it. Of
-- days whose live minutes are deleted as it was then.
CREATE VIEW live_differences AS
    SELECT i.label AS instrument, b.day, b.ts, f.field, f.live, f.closed
    FROM (SELECT instrument_id, day, ts, live_open, live_high, live_low, live_close, live_volume, live_cost, open, high, low, close, volume, cost
          FROM store.live_and_closed
          UNION ALL
          SELECT d.instrument_id, d.day, d.ts, d.live_open, d.live_high, d.live_low, d.live_close, d.live_volume, d.live_cost,
                 d.open, d.high, d.low, d.close, d.volume, d.cost
          FROM store.live_difference d
          WHERE NOT EXISTS (SELECT FROM store.open_candle v WHERE v.instrument_id = d.instrument_id AND v.day = d.day)) AS b
    JOIN store.instrument i USING (instrument_id)
    CROSS JOIN LATERAL (VALUES ('open', b.live_open, b.open), ('high', b.live_high, b.high), ('low', b.live_low, b.low),
                               ('close', b.live_close, b.close), ('volume', b.live_volume, b.volume), ('cost', b.live_cost, b.cost)) AS f(field, live, closed)
    WHERE f.live IS DISTINCT FROM f.closed;

-- What live said of each closed day that it was there for, in numbers; of days whose live minutes are deleted as it was counted then.
CREATE VIEW store.live_day AS
    SELECT b.instrument_id, b.day, b.version_id, count(b.live_version_id)::integer AS live_minutes, count(b.open)::integer AS closed_minutes,
           count(*) FILTER (WHERE b.live_version_id IS NULL)::integer AS missed,
           count(*) FILTER (WHERE b.open IS NULL)::integer AS only_live,
           count(*) FILTER (WHERE b.live_version_id IS NOT NULL AND b.open IS NOT NULL
                            AND (b.open, b.high, b.low, b.close, b.volume, b.cost)
                                IS DISTINCT FROM (b.live_open, b.live_high, b.live_low, b.live_close, b.live_volume, b.live_cost))::integer AS different,
           (SELECT count(*) FROM store.open_candle o
            WHERE o.instrument_id = b.instrument_id AND o.day = b.day AND o.state = 'superseded')::integer AS corrected
    FROM store.live_and_closed b GROUP BY b.instrument_id, b.day, b.version_id;

CREATE VIEW live_days AS
    SELECT i.label AS instrument, d.day, d.live_minutes, d.closed_minutes, d.missed, d.only_live, d.different, d.corrected, d.compared_at
    FROM (SELECT instrument_id, day, live_minutes, closed_minutes, missed, only_live, different, corrected, NULL::timestamptz AS compared_at
          FROM store.live_day
          UNION ALL
          SELECT o.instrument_id, o.day, o.live_minutes, o.closed_minutes, o.missed, o.only_live, o.different, o.corrected, o.compared_at
          FROM store.open_day o
          WHERE NOT EXISTS (SELECT FROM store.open_candle v WHERE v.instrument_id = o.instrument_id AND v.day = o.day)) AS d
    JOIN store.instrument i USING (instrument_id);

-- Days whose live minutes are not needed any more: of every instrument of them the closed day is published, and so is the pair of
-- every future that is measured against a perpetual. Minutes that were taken back for lying outside a lifetime have no closed day, and
-- need none.
CREATE VIEW store.replaced_open_day AS
    SELECT d.day
    FROM (SELECT o.instrument_id, o.day, bool_or(l.instrument_id IS NOT NULL OR o.state IN ('published', 'pending')) AS is_needed
          FROM store.open_candle o
          LEFT JOIN store.lifetime l ON l.instrument_id = o.instrument_id AND o.ts >= l.begins AND o.ts < l.ends
          GROUP BY o.instrument_id, o.day) AS d
    LEFT JOIN store.candle_day c ON c.instrument_id = d.instrument_id AND c.day = d.day AND c.state = 'published'
    LEFT JOIN store.basis_day b ON b.instrument_id = d.instrument_id AND b.day = d.day AND b.state = 'published'
    LEFT JOIN store.future f ON f.instrument_id = d.instrument_id AND d.day >= f.from_day AND d.day < f.past_day
    GROUP BY d.day
    HAVING bool_and(NOT d.is_needed OR c.day IS NOT NULL AND (f.instrument_id IS NULL OR b.day IS NOT NULL));

-- Minutes of open days that wait to be validated and can be: those of a future wait until its perpetual has one in the hour before.
CREATE VIEW store.ready_open_candle AS
    SELECT o.instrument_id, o.ts
    FROM store.open_candle o
    LEFT JOIN store.future f ON f.instrument_id = o.instrument_id AND o.day >= f.from_day AND o.day < f.past_day
    WHERE o.state = 'pending' AND o.validation_id IS NULL
      AND (f.perpetual_id IS NULL
           OR EXISTS (SELECT FROM store.open_candle v
                      WHERE v.instrument_id = f.perpetual_id AND v.ts <= o.ts AND v.ts > o.ts - interval '1 hour' AND v.state IN ('pending', 'published')));
