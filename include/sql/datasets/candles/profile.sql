-- What is validated: one row an instrument-day that should exist, over the newest version of it, in one
-- pass over the minutes. Grain: instrument, day. Reads only.
-- Parameters: from, to (timestamptz, the interval), perpetual (boolean), currencies (text[]).
-- waits_for: what the exchange was not asked for yet that the level is checked against first (of a perpetual its funding, of
-- a future its perpetual). was_fetched: whether it was asked for the day itself. untraded_days: of a perpetual that was not traded on the
-- day, on how many of the stored days of the week that ends with it it was not; else 0.
-- An instrument begins with its first trade: what is missing before its first candle is explained wherever the exchange
-- was asked for it and answered. Nothing else explains a missing minute: no known outage cost a candle.
-- No value may stop the statement: what is multiplied or divided is held to what a product of two can hold.
WITH expected AS (
    SELECT i.instrument_id, i.label AS instrument, d::date AS day, f.perpetual_id,
           i.begins, b.first_candle_day, l.begins AT TIME ZONE 'UTC' AS asked_from, l.ends AT TIME ZONE 'UTC' AS asked_to,
           CASE WHEN %(perpetual)s THEN i.instrument_id ELSE f.perpetual_id END AS level_of,
           -- what the exchange was asked about, without a hole, from the listing on or from where its currency is collected
           coalesce((SELECT upper(w) FROM store.fetched a CROSS JOIN LATERAL unnest(a.windows) AS w
                     WHERE a.instrument_id = i.instrument_id AND a.what = 'candles' AND w @> greatest(i.begins, k.since)), '-infinity')
               AT TIME ZONE 'UTC' AS answered_until,
           (extract(epoch FROM l.begins - d) / 60)::integer AS first_minute, (extract(epoch FROM l.ends - l.begins) / 60)::integer AS minutes
    FROM store.lifetime i
    LEFT JOIN store.collected k ON k.currency = i.settlement_currency
    LEFT JOIN LATERAL (SELECT min(day) AS first_candle_day FROM store.candle_day v WHERE v.instrument_id = i.instrument_id) AS b ON true
    CROSS JOIN LATERAL generate_series(
        date_trunc('day', greatest(i.begins, %(from)s) AT TIME ZONE 'UTC'),
        least(i.ends, %(to)s) AT TIME ZONE 'UTC' - interval '1 minute', interval '1 day') AS d
    LEFT JOIN store.future f ON f.instrument_id = i.instrument_id AND d::date >= f.from_day AND d::date < f.past_day
    CROSS JOIN LATERAL (
        SELECT greatest(d, i.begins AT TIME ZONE 'UTC', %(from)s AT TIME ZONE 'UTC') AS begins,
               least(d + interval '1 day', i.ends AT TIME ZONE 'UTC', %(to)s AT TIME ZONE 'UTC') AS ends) AS l
    WHERE i.perpetual = %(perpetual)s AND i.settlement_currency = ANY(%(currencies)s)
      AND i.begins < %(to)s AND i.ends > %(from)s
), level AS MATERIALIZED (
    -- once for all futures of a perpetual and day
    SELECT l.perpetual_id AS level_of, l.day, count(l.index_price) AS index_hours, count(l.futures) AS futures_hours,
           count(l.delivery) > 0 AS delivered, array_agg(t.price ORDER BY l.hour) AS index_prices,
           max(store.symmetric_distance(l.perpetual, t.price)) AS index_distance, bool_or(l.perpetual_off) AS is_off,
           (array_agg(store.disagreement(l.hour, l.perpetual, l.index_price, l.futures, l.delivery) ORDER BY l.hour) FILTER (WHERE l.perpetual_off))[1] AS disagreement
    FROM (SELECT array_agg(DISTINCT level_of) AS perpetuals, min(day) AS first, max(day) + 1 AS past FROM expected) AS e
    CROSS JOIN LATERAL store.levels(array_remove(e.perpetuals, NULL), e.first, e.past) AS l
    CROSS JOIN LATERAL (SELECT coalesce(l.index_price, l.delivery) AS price) AS t
    GROUP BY l.perpetual_id, l.day
), stored AS MATERIALIZED (
    SELECT v.* FROM (SELECT array_agg(DISTINCT level_of) AS perpetuals, min(day) AS first, max(day) + 1 AS past FROM expected) AS e
    CROSS JOIN LATERAL store.level_versions(array_remove(e.perpetuals, NULL), e.first, e.past) AS v
), day_profile AS MATERIALIZED (
    SELECT e.instrument_id, e.instrument, e.day, c.version_id, e.minutes AS expected_minutes,
           coalesce(c.present, 0)::integer AS minutes,
           coalesce(c.duplicate, 0)::integer AS duplicate_minutes, coalesce(c.misaligned, 0)::integer AS misaligned_minutes,
           coalesce(c.out_of_order, 0)::integer AS out_of_order_minutes, coalesce(c.out_of_window, 0)::integer AS out_of_window_minutes,
           hole.missing, hole.explained, hole.longest, hole.waited,
           fault.not_finite, fault.not_positive, fault.bounds_broken, fault.negative, fault.untraded_not_flat,
           m.cost_without_volume, m.cost_off, m.cost_inconsistent, m.fill_off_previous, m.traded, m.fresh, silence.days AS untraded_days, m.spikes, m.largest_move, m.mean_move,
           m.referenced, CASE WHEN r.reference IN ('index', 'delivery') THEN at_hours.distance ELSE m.reference_distance END AS reference_distance,
           r.reference,
           -- the futures decide on an hour without an index, and a third source on which of two that are far apart is wrong
           CASE WHEN %(perpetual)s THEN store.compared_with(s.index_complete, k.index_price, k.others)
                ELSE store.compared_with(s.index_complete AND r.reference = 'perpetual' AND coalesce(m.farthest <= 0.25, true),
                                         k.perpetual, coalesce(k.index_price, 0) + coalesce(k.others, 0)) END AS compared_with,
           CASE WHEN %(perpetual)s THEN store.awaited_funding(e.instrument_id, e.asked_from AT TIME ZONE 'UTC', e.asked_to AT TIME ZONE 'UTC')
                ELSE store.awaited_candles(e.perpetual_id, e.asked_from AT TIME ZONE 'UTC', e.asked_to AT TIME ZONE 'UTC') END AS waits_for,
           c.version_id IS NOT NULL OR store.was_fetched(e.instrument_id, 'candles', e.asked_from AT TIME ZONE 'UTC', e.asked_to AT TIME ZONE 'UTC') AS was_fetched,
           CASE WHEN %(perpetual)s THEN lv.disagreement END AS level_disagreement,
           CASE WHEN %(perpetual)s THEN lv.index_distance END AS index_distance, c.turnover, turnover.usual AS usual_turnover
    FROM expected e
    LEFT JOIN LATERAL (SELECT * FROM store.candle_day v WHERE v.instrument_id = e.instrument_id AND v.day = e.day
                       ORDER BY v.version_id DESC LIMIT 1) c ON true
    LEFT JOIN LATERAL (SELECT v.version_id, v.low, v.high, v.close, v.first_minute FROM store.candle_day v
                       WHERE v.instrument_id = e.perpetual_id AND v.day = e.day
                       ORDER BY v.version_id DESC LIMIT 1) p ON true
    LEFT JOIN level lv ON lv.level_of = e.level_of AND lv.day = e.day
    LEFT JOIN stored k ON k.perpetual_id = e.level_of AND k.day = e.day
    -- what the level is checked against
    CROSS JOIN LATERAL (
        SELECT CASE WHEN %(perpetual)s AND lv.index_hours > 0 THEN 'index'
                    WHEN %(perpetual)s AND lv.futures_hours > 0 THEN 'futures'
                    WHEN %(perpetual)s THEN CASE WHEN lv.delivered THEN 'delivery' ELSE 'none' END
                    -- a perpetual that is wrong itself says nothing of a future, where the index or the delivery price can
                    WHEN p.version_id IS NOT NULL AND NOT (lv.is_off AND (lv.index_hours > 0 OR lv.delivered AND store.price(c.close[480 - c.first_minute]) IS NOT NULL))
                    THEN 'perpetual'
                    WHEN lv.index_hours > 0 THEN 'index' WHEN lv.delivered THEN 'delivery' ELSE 'none' END AS reference OFFSET 0) AS r
    LEFT JOIN LATERAL (
        SELECT max(store.symmetric_distance(h.price, h.index_price)) AS distance
        FROM unnest(store.hourly(c.close, c.first_minute), lv.index_prices) AS h(price, index_price)
        WHERE r.reference IN ('index', 'delivery') AND NOT %(perpetual)s) AS at_hours ON true
    LEFT JOIN LATERAL (
        -- of the 30 days before, a week at least
        SELECT max(b.turnover) FILTER (WHERE b.turnover < 'Infinity') AS usual FROM store.candle_day b
        WHERE b.instrument_id = e.instrument_id AND b.day >= e.day - 30 AND b.day < e.day
        HAVING count(DISTINCT b.day) >= 7) AS turnover ON true
    LEFT JOIN LATERAL (
        SELECT min(u.i) FILTER (WHERE u.open IS NOT NULL) AS first_present,
               -- NaN is greater than any number; and no market has a number like 1e51
               bool_or(NOT (u.low > 0 AND u.low <= u.open AND u.low <= u.close AND u.open <= u.high AND u.close <= u.high AND u.high < 1e50
                            AND u.volume >= 0 AND u.volume < 1e50 AND u.cost >= 0 AND u.cost < 1e50 AND (u.volume > 0 OR u.low = u.high))) AS odd,
               -- a trade worth less than the allowance may have its cost rounded to nothing: it is fresh
               count(*) FILTER (WHERE (u.volume = 0) <> (u.cost = 0) AND NOT v.is_fresh) AS cost_without_volume,
               count(*) FILTER (WHERE w.off > 0.01) AS cost_off, count(*) FILTER (WHERE w.off > 0.1) AS cost_inconsistent,
               count(*) FILTER (WHERE u.volume = 0 AND u.close <> u.previous) AS fill_off_previous,
               count(*) FILTER (WHERE u.volume > 0) AS traded, count(*) FILTER (WHERE v.is_fresh) AS fresh,
               array_agg(ROW(c.first_minute + u.i - 1, v.move)::store.spike) FILTER (WHERE v.move > 0.05 AND store.relative_distance(u.following, u.previous) < 0.2 * v.move) AS spikes,
               max(v.move) AS largest_move, avg(v.move) AS mean_move,
               count(*) FILTER (WHERE u.volume > 0 AND u.reference IS NOT NULL) AS referenced,
               max(x.far) FILTER (WHERE u.volume > 0) AS reference_distance, max(x.distance) FILTER (WHERE u.volume > 0) AS farthest
        FROM (SELECT unnest(c.open) AS open, unnest(c.high) AS high, unnest(c.low) AS low, unnest(c.close) AS close,
                     unnest(c.volume) AS volume, unnest(c.cost) AS cost,
                     unnest(array_prepend(NULL::float8, c.close[1 : c.n - 1])) AS previous, unnest(c.close[2 : c.n]) AS following,
                     unnest(store.slice_minutes(p.close, p.first_minute, c.first_minute, c.n)) AS reference,
                     unnest(store.slice_minutes(p.low, p.first_minute, c.first_minute, c.n)) AS reference_low,
                     unnest(store.slice_minutes(p.high, p.first_minute, c.first_minute, c.n)) AS reference_high,
                     generate_series(1, c.n) AS i) AS u
        CROSS JOIN LATERAL (SELECT store.relative_distance(u.close, u.previous) AS move, get_bit(c.fresh, c.first_minute + u.i - 1) = 1 AS is_fresh OFFSET 0) AS v
        -- how far cost is from volume at the candle's prices or the perpetual's of that minute, beyond the allowance
        CROSS JOIN LATERAL (
            SELECT CASE WHEN v.is_fresh OR u.volume <= 0 OR u.cost <= 0 THEN 0
                        ELSE store.cost_deviation(u.cost, u.volume, least(u.low, u.reference_low), greatest(u.high, u.reference_high)) END AS off
            OFFSET 0) AS w
        -- a minute of the perpetual that is no price, or far from the true index of its hour, says nothing of a future
        CROSS JOIN LATERAL (
            SELECT CASE WHEN d.distance > 0.25 AND coalesce(store.symmetric_distance(store.price(u.reference), lv.index_prices[(c.first_minute + u.i - 1) / 60 + 1]) > 0.25,
                                                            store.price(u.reference) IS NULL) THEN NULL ELSE d.distance END AS far, d.distance
            FROM (SELECT store.relative_distance(u.close, u.reference) AS distance OFFSET 0) AS d) AS x) m ON true
    LEFT JOIN LATERAL (
        SELECT count(*)::integer AS days
        FROM (SELECT DISTINCT ON (b.day) b.traded FROM store.candle_day b
              WHERE b.instrument_id = e.instrument_id AND b.day > e.day - 7 AND b.day <= e.day ORDER BY b.day, b.version_id DESC) AS w
        WHERE position(B'1' IN w.traded) = 0) AS silence ON %(perpetual)s AND m.traded = 0
    LEFT JOIN LATERAL (
        -- which fault it is, only where a minute is odd: to look for each of them in every minute costs a twentieth to an
        -- eighth of the whole profile
        SELECT count(*) FILTER (WHERE greatest(abs(u.open), abs(u.high), abs(u.low), abs(u.close), abs(u.volume), abs(u.cost)) > 1e50) AS not_finite,
               count(*) FILTER (WHERE u.open <= 0 OR u.high <= 0 OR u.low <= 0 OR u.close <= 0) AS not_positive,
               count(*) FILTER (WHERE u.high < greatest(u.open, u.close, u.low) OR u.low > least(u.open, u.close)) AS bounds_broken,
               count(*) FILTER (WHERE u.volume < 0 OR u.cost < 0) AS negative,
               count(*) FILTER (WHERE u.volume = 0 AND NOT (u.open = u.close AND u.high = u.close AND u.low = u.close)) AS untraded_not_flat
        FROM (SELECT unnest(c.open) AS open, unnest(c.high) AS high, unnest(c.low) AS low, unnest(c.close) AS close,
                     unnest(c.volume) AS volume, unnest(c.cost) AS cost) AS u
        WHERE m.odd) AS fault ON true
    LEFT JOIN LATERAL (
        -- only where something of the expected minutes is missing
        SELECT sum(run) AS missing, sum(late) AS explained, max(run - late) AS longest,
               max((extract(epoch FROM e.day + last_late * interval '1 minute' - (e.begins AT TIME ZONE 'UTC')) / 60)::integer + 1) AS waited
        FROM (SELECT count(*) AS run, count(*) FILTER (WHERE is_late) AS late, max(minute) FILTER (WHERE is_late) AS last_late
              FROM (SELECT x.minute, x.minute - row_number() OVER (ORDER BY x.minute) AS island, l.is_late
                    FROM generate_series(e.first_minute, e.first_minute + e.minutes - 1) AS x(minute)
                    LEFT JOIN unnest(c.open) WITH ORDINALITY AS u(open, i) ON x.minute = c.first_minute + u.i - 1
                    CROSS JOIN LATERAL (
                        SELECT e.day + x.minute * interval '1 minute' < e.answered_until
                               AND CASE WHEN e.day = e.first_candle_day THEN coalesce(x.minute < c.first_minute + m.first_present - 1, false)
                                        ELSE coalesce(e.day < e.first_candle_day, true) END) AS l(is_late)
                    WHERE u.open IS NULL) AS gone
              GROUP BY island) AS gaps
        WHERE (c.first_minute, c.n, c.present) IS DISTINCT FROM (e.first_minute, e.minutes, e.minutes)) hole ON true
    CROSS JOIN LATERAL (SELECT coalesce(lv.index_hours = 24 AND lv.index_distance <= 0.25, false) AS index_complete) AS s
), usual AS (
    SELECT instrument_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY mean_move) AS move
    FROM day_profile WHERE mean_move > 0 AND mean_move < 'Infinity' GROUP BY instrument_id
)
SELECT d.instrument, d.day,
       i.underlying_type, i.crash_known,
       d.instrument_id, d.version_id, d.expected_minutes, d.minutes,
       coalesce(d.missing - d.explained, 0)::integer AS missing_minutes, coalesce(d.explained, 0)::integer AS explained_minutes,
       coalesce(d.waited, 0) AS waited_minutes,
       coalesce(d.longest, 0)::integer AS longest_gap_minutes,
       d.duplicate_minutes, d.misaligned_minutes, d.out_of_order_minutes, d.out_of_window_minutes,
       coalesce(d.not_finite, 0) AS not_finite_minutes, coalesce(d.not_positive, 0) AS not_positive_minutes,
       coalesce(d.bounds_broken, 0) AS bounds_broken_minutes, coalesce(d.negative, 0) AS negative_minutes,
       coalesce(d.cost_without_volume, 0) AS cost_without_volume_minutes,
       coalesce(d.cost_off, 0) AS cost_off_minutes, coalesce(d.cost_inconsistent, 0) AS cost_inconsistent_minutes,
       coalesce(d.untraded_not_flat, 0) AS untraded_not_flat_minutes,
       coalesce(d.fill_off_previous, 0) AS fill_off_previous_minutes,
       s.seen AS spike_minutes, s.refuted AS refuted_spike_minutes,
       d.largest_move, d.largest_move / u.move AS largest_move_ratio,
       coalesce(d.referenced, 0) AS reference_minutes, d.reference, d.compared_with, d.waits_for, d.was_fetched, d.reference_distance,
       d.level_disagreement, d.index_distance, store.price(d.turnover) / store.price(d.usual_turnover) AS turnover_ratio, coalesce(d.traded, 0) AS traded_minutes, coalesce(d.fresh, 0) AS fresh_minutes,
       coalesce(d.untraded_days, 0) AS untraded_days,
       d.expected_minutes AS rows_expected, d.expected_minutes - d.minutes AS rows_missing
FROM day_profile d LEFT JOIN usual u USING (instrument_id)
-- OFFSET 0: each is looked up by its key, among all the options of a catalogue
CROSS JOIN LATERAL (
    SELECT store.underlying_type(k) AS underlying_type, store.crash_known(k) AS crash_known
    FROM store.instrument k WHERE k.instrument_id = d.instrument_id OFFSET 0) AS i
-- a spike is refuted where another contract of the coin traded in that minute and did not move with it
CROSS JOIN LATERAL (
    SELECT count(*) AS seen, count(*) FILTER (WHERE o.move < 0.2 * spike.move) AS refuted
    FROM unnest(d.spikes) AS spike
    LEFT JOIN LATERAL (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY store.relative_distance(b.close, b.previous)) AS move
        FROM store.future f
        CROSS JOIN LATERAL (SELECT v.close[k.i] AS close, v.close[k.i - 1] AS previous, v.volume[k.i] AS volume
                            FROM store.candle_day v CROSS JOIN LATERAL (SELECT spike.minute - v.first_minute + 1 AS i) AS k
                            WHERE v.instrument_id = CASE WHEN %(perpetual)s THEN f.instrument_id ELSE f.perpetual_id END AND v.day = d.day
                            ORDER BY v.version_id DESC LIMIT 1) AS b
        WHERE CASE WHEN %(perpetual)s THEN f.perpetual_id ELSE f.instrument_id END = d.instrument_id
          AND d.day >= f.from_day AND d.day < f.past_day AND b.volume > 0) AS o ON true
    WHERE spike.move > 20 * coalesce(u.move, 0)) AS s
ORDER BY d.instrument, d.day
