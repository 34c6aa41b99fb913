-- What is validated of open days: a row a minute that the exchange has answered for in the interval, or (waiting) of the oldest 2,000 in
-- it that wait to be validated; over the newest version of each. So the columns are those of the candles'
-- profile, of a day that has one minute. Grain: instrument, ts. Reads only. Parameters: from, to (timestamptz, the interval), waiting, perpetual (boolean), currencies.
--   traded_minutes, reference_minutes  of the hour that ends with the minute: of one minute they would say nothing
--   largest_move      from the last minute before it, within an hour, that is not held back
--   spike_minutes     known once the next minute is there: a minute is validated again as long as it lies in the interval
--   largest_move_ratio, turnover_ratio, untraded_days  NULL: they need whole days, and are asked of the closed one
--   is_closed         history has decided on the day: what is wrong with the minute is said of that
-- A minute that is not there is none that is missing once its closed day is published: it may have been deleted with the others.
-- A minute of a future is left out, and so stays pending, until its perpetual has one in the hour before: its level can't be
-- checked without. A perpetual is compared with the index of the last summary, a quarter of an hour old at most, and with its futures where
-- there is none or it disagrees; what is off is told as in store.levels.
WITH life AS MATERIALIZED (
    SELECT l.instrument_id, l.instrument AS name, l.label AS instrument, l.settlement_currency, l.begins, l.ends, store.underlying_type(i) AS underlying_type,
           store.crash_known(i) AS crash_known
    FROM store.lifetime l JOIN store.instrument i USING (instrument_id)
    WHERE l.perpetual = %(perpetual)s AND l.settlement_currency = ANY(%(currencies)s)
), future AS MATERIALIZED (
    SELECT instrument_id, perpetual_id, from_day, past_day FROM store.future
), minute AS (
    SELECT i.instrument_id, m AS ts
    FROM life i
    JOIN store.fetched a ON a.instrument_id = i.instrument_id AND a.what = 'open candles'
    CROSS JOIN LATERAL unnest(a.windows * tstzmultirange(tstzrange(%(from)s, %(to)s)) * tstzmultirange(tstzrange(i.begins, i.ends))) AS w
    CROSS JOIN LATERAL generate_series(lower(w), upper(w) - interval '1 minute', interval '1 minute') AS m
    WHERE NOT %(waiting)s
    UNION
    (SELECT o.instrument_id, o.ts FROM store.ready_open_candle o JOIN life i USING (instrument_id)
     WHERE %(waiting)s AND o.ts >= %(from)s AND o.ts < %(to)s
     ORDER BY o.ts, o.instrument_id LIMIT 2000)
), told AS MATERIALIZED (
    SELECT i.*, m.ts, (m.ts AT TIME ZONE 'UTC')::date AS day, o.version_id, o.open, o.high, o.low, o.close, o.volume, o.cost, o.fresh,
           o.duplicate, o.misaligned, o.out_of_order, o.out_of_window, coalesce(o.volume > 0, false) AS traded, f.perpetual_id
    FROM minute m
    JOIN life i USING (instrument_id)
    LEFT JOIN LATERAL (SELECT * FROM store.open_candle v WHERE v.instrument_id = m.instrument_id AND v.ts = m.ts
                       ORDER BY v.version_id DESC LIMIT 1) AS o ON true
    LEFT JOIN future f ON f.instrument_id = m.instrument_id AND (m.ts AT TIME ZONE 'UTC')::date >= f.from_day AND (m.ts AT TIME ZONE 'UTC')::date < f.past_day
), compared AS (
    SELECT t.*, p.close AS previous, p.ts = t.ts - interval '1 minute' AS has_previous, n.close AS following,
           store.relative_distance(t.close, p.close) AS move, h.usual, coalesce(h.traded, 0) + t.traded::integer AS traded_minutes,
           r.ts AS reference_ts, r.close AS reference_close,
           CASE WHEN r.ts = t.ts THEN r.low END AS reference_low, CASE WHEN r.ts = t.ts THEN r.high END AS reference_high,
           x.index_price, store.symmetric_distance(store.price(t.close), x.index_price) AS index_distance
    FROM told t
    LEFT JOIN LATERAL (SELECT v.close, v.ts FROM store.open_candle v
                       WHERE v.instrument_id = t.instrument_id AND v.ts < t.ts AND v.ts >= t.ts - interval '1 hour' AND v.state IN ('pending', 'published')
                       ORDER BY v.ts DESC, v.version_id DESC LIMIT 1) AS p ON true
    LEFT JOIN LATERAL (SELECT v.close FROM store.open_candle v
                       WHERE v.instrument_id = t.instrument_id AND v.ts = t.ts + interval '1 minute'
                       ORDER BY v.version_id DESC LIMIT 1) AS n ON true
    LEFT JOIN LATERAL (
        SELECT avg(e.move) FILTER (WHERE e.move < 'Infinity' AND e.ts < t.ts - interval '1 minute') AS usual, count(*) FILTER (WHERE e.volume > 0) AS traded
        FROM (SELECT v.ts, v.volume, store.relative_distance(v.close, lag(v.close) OVER (ORDER BY v.ts)) AS move FROM store.open_candle v
              WHERE v.instrument_id = t.instrument_id AND v.ts < t.ts AND v.ts >= t.ts - interval '59 minutes' AND v.state IN ('pending', 'published')) AS e
    ) AS h ON true
    LEFT JOIN LATERAL (SELECT v.ts, v.low, v.high, v.close FROM store.open_candle v
                       WHERE v.instrument_id = t.perpetual_id AND v.ts <= t.ts AND v.ts > t.ts - interval '1 hour' AND v.state IN ('pending', 'published')
                       ORDER BY v.ts DESC, v.version_id DESC LIMIT 1) AS r ON true
    -- looked up by its key: beside a long catching up there are as many summaries as minutes
    LEFT JOIN LATERAL (SELECT e.index_price
                       FROM store.instrument_summary s JOIN store.roster r USING (roster_id)
                       CROSS JOIN LATERAL (SELECT store.price((store.for_each(s.index_price, r.instruments))[array_position(r.instruments, t.name)]) AS index_price) AS e
                       WHERE %(perpetual)s AND s.currency = t.settlement_currency AND s.beat <= t.ts AND s.beat > t.ts - interval '15 minutes'
                         AND s.state IN ('pending', 'published') AND e.index_price IS NOT NULL
                       ORDER BY s.beat DESC LIMIT 1) AS x ON true
)
SELECT c.instrument, c.ts, c.day, c.underlying_type, c.crash_known, c.instrument_id, c.version_id, k.is_published IS NOT NULL AS is_closed, 1 AS expected_minutes,
       (c.version_id IS NOT NULL)::integer AS minutes,
       (c.version_id IS NULL AND NOT e.is_early)::integer AS missing_minutes, (c.version_id IS NULL AND e.is_early)::integer AS explained_minutes,
       CASE WHEN c.version_id IS NULL AND e.is_early THEN (extract(epoch FROM c.ts - c.begins) / 60)::integer + 1 ELSE 0 END AS waited_minutes,
       (c.version_id IS NULL AND NOT e.is_early)::integer AS longest_gap_minutes,
       coalesce(c.duplicate, false)::integer AS duplicate_minutes, coalesce(c.misaligned, false)::integer AS misaligned_minutes,
       coalesce(c.out_of_order, false)::integer AS out_of_order_minutes, coalesce(c.out_of_window, false)::integer AS out_of_window_minutes,
       coalesce(greatest(abs(c.open), abs(c.high), abs(c.low), abs(c.close), abs(c.volume), abs(c.cost)) > 1e50, false)::integer AS not_finite_minutes,
       coalesce(c.open <= 0 OR c.high <= 0 OR c.low <= 0 OR c.close <= 0, false)::integer AS not_positive_minutes,
       coalesce(c.high < greatest(c.open, c.close, c.low) OR c.low > least(c.open, c.close), false)::integer AS bounds_broken_minutes,
       coalesce(c.volume < 0 OR c.cost < 0, false)::integer AS negative_minutes,
       coalesce((c.volume = 0) <> (c.cost = 0) AND NOT c.fresh, false)::integer AS cost_without_volume_minutes,
       (d.off > 0.01)::integer AS cost_off_minutes, (d.off > 0.1)::integer AS cost_inconsistent_minutes,
       coalesce(c.volume = 0 AND NOT (c.open = c.close AND c.high = c.close AND c.low = c.close), false)::integer AS untraded_not_flat_minutes,
       coalesce(c.has_previous AND c.volume = 0 AND c.close <> c.previous, false)::integer AS fill_off_previous_minutes,
       s.seen::integer AS spike_minutes, coalesce(s.seen AND s.others < 0.2 * c.move, false)::integer AS refuted_spike_minutes,
       c.move AS largest_move, NULL::float8 AS largest_move_ratio,
       CASE WHEN c.reference_ts IS NOT NULL THEN c.traded_minutes ELSE 0 END AS reference_minutes,
       CASE WHEN %(perpetual)s THEN CASE WHEN c.index_price IS NOT NULL THEN 'index' WHEN l.futures IS NOT NULL THEN 'futures' ELSE 'none' END
            WHEN c.reference_ts IS NOT NULL THEN 'perpetual' ELSE 'none' END AS reference,
       CASE WHEN c.traded THEN store.relative_distance(c.close, c.reference_close) END AS reference_distance,
       CASE WHEN c.traded AND CASE WHEN c.index_distance > 0.25 THEN coalesce(l.distance > 0.5 OR l.distance >= l.index_distance, true)
                                   ELSE c.index_price IS NULL AND coalesce(l.distance > 0.5, false) END
            THEN format('the perpetual''s candle says %%s, the index in the last summary %%s, the futures %%s', c.close,
                        coalesce(c.index_price::text, 'nothing'), coalesce(l.futures::text, 'nothing')) END AS level_disagreement,
       CASE WHEN c.traded THEN c.index_distance END AS index_distance, NULL::float8 AS turnover_ratio,
       c.traded_minutes, coalesce(c.fresh, false)::integer AS fresh_minutes, NULL::integer AS untraded_days,
       1 AS rows_expected, (c.version_id IS NULL)::integer AS rows_missing
FROM compared c
-- what a validation has said of the whole day: where it was blocked it is pending
LEFT JOIN LATERAL (SELECT v.state = 'published' AS is_published FROM store.candle_day v
                   WHERE v.instrument_id = c.instrument_id AND v.day = c.day AND v.validation_id IS NOT NULL
                   ORDER BY v.state = 'published' DESC LIMIT 1) AS k ON true
-- an instrument begins with its first trade
CROSS JOIN LATERAL (
    SELECT c.version_id IS NULL AND NOT EXISTS (SELECT FROM store.open_candle v WHERE v.instrument_id = c.instrument_id AND v.ts < c.ts)
           AND NOT EXISTS (SELECT FROM store.candle_day v WHERE v.instrument_id = c.instrument_id AND v.day <= c.day) AS is_early) AS e
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.version_id IS NULL OR c.fresh OR c.volume <= 0 OR c.cost <= 0 THEN 0
                ELSE store.cost_deviation(c.cost, c.volume, least(c.low, c.reference_low), greatest(c.high, c.reference_high)) END AS off) AS d
-- the perpetual's futures, those that traded in the hour, where there is no index or it is far away
LEFT JOIN LATERAL (
    SELECT m.futures, store.symmetric_distance(store.price(c.close), m.futures) AS distance, store.symmetric_distance(c.index_price, m.futures) AS index_distance
    FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY v.price) AS futures
          FROM future f
          CROSS JOIN LATERAL (SELECT store.price(o.close) AS price FROM store.open_candle o
                              WHERE o.instrument_id = f.instrument_id AND o.ts <= c.ts AND o.ts > c.ts - interval '1 hour'
                                AND o.fresh AND o.state IN ('pending', 'published')
                              ORDER BY o.ts DESC, o.version_id DESC LIMIT 1) AS v
          WHERE f.perpetual_id = c.instrument_id AND c.day >= f.from_day AND c.day < f.past_day) AS m
    WHERE %(perpetual)s AND (c.index_price IS NULL OR c.index_distance > 0.25)) AS l ON true
-- a spike is refuted where another contract of the coin traded in that minute and did not move with it
CROSS JOIN LATERAL (
    SELECT b.seen, CASE WHEN b.seen THEN (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY store.relative_distance(o.close, q.close))
        FROM future f
        JOIN store.open_candle o ON o.instrument_id = CASE WHEN %(perpetual)s THEN f.instrument_id ELSE f.perpetual_id END AND o.ts = c.ts AND o.volume > 0
        JOIN store.open_candle q ON q.instrument_id = o.instrument_id AND q.ts = c.ts - interval '1 minute'
        WHERE CASE WHEN %(perpetual)s THEN f.perpetual_id ELSE f.instrument_id END = c.instrument_id
          AND c.day >= f.from_day AND c.day < f.past_day) END AS others
    FROM (SELECT coalesce(c.move > 0.05 AND store.relative_distance(c.following, c.previous) < 0.2 * c.move AND c.move > 20 * coalesce(c.usual, 0), false) AS seen) AS b
) AS s
WHERE CASE WHEN c.version_id IS NULL THEN k.is_published IS NOT true
           ELSE %(perpetual)s OR c.perpetual_id IS NULL OR c.reference_ts IS NOT NULL END
ORDER BY c.instrument, c.ts
