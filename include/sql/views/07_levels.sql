-- The last price that an instrument traded at in each hour of the open days [first, past), as live has it: of days that are not
-- stored whole, published or not. An hour without such a trade has no row.
CREATE FUNCTION store.open_hours(instrument_id integer, first date, past date) RETURNS TABLE (day date, hour integer, price float8)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT d.day, h.hour, o.price
    FROM (SELECT k::date AS day, k AT TIME ZONE 'UTC' AS begins
          FROM generate_series(open_hours.first::timestamp, open_hours.past::timestamp - interval '1 day', interval '1 day') AS k OFFSET 0) AS d
    CROSS JOIN generate_series(1, 24) AS h(hour)
    CROSS JOIN LATERAL (SELECT store.price(v.close) AS price FROM store.open_candle v
                        WHERE v.instrument_id = open_hours.instrument_id AND v.fresh AND v.state IN ('pending', 'published')
                          AND v.ts >= d.begins + (h.hour - 1) * interval '1 hour' AND v.ts < d.begins + h.hour * interval '1 hour'
                        ORDER BY v.ts DESC, v.version_id DESC LIMIT 1) AS o
    -- each by its key and no other way (LIMIT 1): of a past month nothing is open
    WHERE (SELECT v.day FROM store.candle_day v WHERE v.instrument_id = open_hours.instrument_id AND v.day = d.day LIMIT 1) IS NULL
      AND (SELECT v.ts FROM store.open_candle v WHERE v.instrument_id = open_hours.instrument_id AND v.ts >= d.begins
           ORDER BY v.ts LIMIT 1) < d.begins + interval '1 day'
$$;

-- How far a perpetual's stored hours that end in ("from", "to"], the newest version of each, published or not, are from the
-- exchange's own sum of them: as a fraction of the sum of |interest_1h|. The sum is prev_index_price of the first hour times the
-- sum of interest_1h / prev_index_price. NULL where an hour is not stored, or a number is none that a market has.
CREATE FUNCTION store.checksum_distance(perpetual_id integer, "from" timestamptz, "to" timestamptz, checksum float8) RETURNS float8
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- no number is left out for what it is: funding is negative, or nothing, as often
    SELECT CASE WHEN checksum_distance.checksum BETWEEN -1e50 AND 1e50 THEN abs(checksum_distance.checksum - s.paid) / greatest(s.size, 1e-12) END
    FROM (SELECT (array_agg(n.prev_index_price ORDER BY n.ts))[1] * sum(n.interest_1h / n.prev_index_price) AS paid, sum(abs(n.interest_1h)) AS size
          FROM (SELECT DISTINCT ON (f.ts) f.ts, CASE WHEN f.interest_1h BETWEEN -1e50 AND 1e50 THEN f.interest_1h END AS interest_1h,
                       CASE WHEN f.prev_index_price BETWEEN 1e-50 AND 1e50 THEN f.prev_index_price END AS prev_index_price
                FROM store.funding_rate f
                WHERE f.instrument_id = checksum_distance.perpetual_id AND f.ts > checksum_distance."from" AND f.ts <= checksum_distance."to"
                ORDER BY f.ts, f.version_id DESC) AS n
          HAVING count(n.interest_1h / n.prev_index_price) = extract(epoch FROM checksum_distance."to" - checksum_distance."from") / 3600) AS s
$$;

-- Whether the exchange's own sum of the time around an hour says that a perpetual's funding is not its own. Which hours the sum
-- holds, and holes in the records, move it by a fraction of a per cent (2.5e-3 in what is known): another coin's rates are off by as much
-- as they are large. A sum that fits says nothing of the level: index prices ten times too high have the same. Of a perpetual that does
-- not settle in its coin it is not established how the index weighs the hours, which is as much as the index moved: it says nothing.
CREATE FUNCTION store.refuted_by_checksum(perpetual_id integer, hour_end timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(bool_or(store.checksum_distance(c.instrument_id, c.begins, c.ends, c.value) > 0.1), false)
    FROM store.instrument i JOIN store.funding_checksum c USING (instrument_id)
    WHERE i.instrument_id = refuted_by_checksum.perpetual_id AND i.settlement_currency = i.base_currency
      AND c.begins < refuted_by_checksum.hour_end AND c.ends >= refuted_by_checksum.hour_end
$$;

-- The level of a coin at the ends of a day's hours, as its three sources have it: the perpetual's candles, the true index
-- in its funding history, and the median of the dated futures that are measured against it. Always the newest version
-- stored, published or not, so that no dataset waits for another one's outcome. Of a day that is not stored yet the minutes
-- that live has stored.
--   delivery  the delivery price of the day, the mean of the index over the half hour before 08:00: it stands in for the index at
--   08:00 where the funding has none. It is compared with the median of the perpetual's closes of that half hour, which perpetual
--   is in its row, and so is NULL where there are none. Futures that are far from it where the perpetual is near say
--   nothing in the day's hours without an index: they are NULL.
--   perpetual_off, index_off: which of two that disagree is wrong. The perpetual and the index disagree over 25 %: a crash
--   takes them several per cent apart, another coin or unit is far beyond. Futures have a basis, at most 5.2 % in what is
--   known, and may be stale: they disagree over 50 %. The third source settles it: the one farther from it is wrong, and
--   the other one too if it disagrees with the third as well. Where no future has a price of the hour the exchange's own
--   sum of the funding settles it if it refutes the funding that the index came with. Without a third both are held back.
-- Asked for many perpetuals and days [first, past) at once: which futures are measured against which perpetual is asked once.
CREATE FUNCTION store.levels(perpetual_ids integer[], first date, past date)
RETURNS TABLE (perpetual_id integer, day date, hour integer, perpetual float8, index_price float8, futures float8, delivery float8,
               perpetual_off boolean, index_off boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH contract AS MATERIALIZED (
        SELECT f.instrument_id, f.perpetual_id, f.from_day, f.past_day FROM store.future f
        WHERE f.perpetual_id = ANY(levels.perpetual_ids) AND f.from_day < levels.past AND f.past_day > levels.first
    ), keys AS MATERIALIZED (
        SELECT p.id, d::date AS day FROM unnest(levels.perpetual_ids) AS p(id)
        CROSS JOIN generate_series(levels.first::timestamp, levels.past::timestamp - interval '1 day', interval '1 day') AS d
    ), futures AS MATERIALIZED (
        SELECT s.perpetual_id, s.day, s.hour, percentile_cont(0.5) WITHIN GROUP (ORDER BY s.price) AS price
        FROM (SELECT f.perpetual_id, k::date AS day, u.hour, u.price
              FROM contract f
              CROSS JOIN generate_series(greatest(f.from_day, levels.first)::timestamp,
                                         least(f.past_day, levels.past)::timestamp - interval '1 day', interval '1 day') AS k
              CROSS JOIN LATERAL (SELECT v.fresh, store.hourly(v.close, v.first_minute) AS prices FROM store.candle_day v
                                  WHERE v.instrument_id = f.instrument_id AND v.day = k::date ORDER BY v.version_id DESC LIMIT 1) AS c
              CROSS JOIN LATERAL unnest(c.prices) WITH ORDINALITY AS u(price, hour)
              WHERE u.price IS NOT NULL AND position(B'1' IN c.fresh) > 0
              UNION ALL
              SELECT f.perpetual_id, o.day, o.hour, o.price
              FROM contract f
              CROSS JOIN LATERAL store.open_hours(f.instrument_id, greatest(f.from_day, levels.first), least(f.past_day, levels.past)) AS o) AS s
        GROUP BY 1, 2, 3
    ), perpetuals AS MATERIALIZED (
        -- a price nothing traded at for an hour says nothing of the level
        SELECT k.id, k.day, u.hour, CASE WHEN position(B'1' IN substring(c.fresh FROM u.hour::integer * 60 - 59 FOR 60)) > 0 THEN u.price END AS price
        FROM keys k
        CROSS JOIN LATERAL (SELECT v.fresh, store.hourly(v.close, v.first_minute) AS prices FROM store.candle_day v
                            WHERE v.instrument_id = k.id AND v.day = k.day ORDER BY v.version_id DESC LIMIT 1) AS c
        CROSS JOIN LATERAL unnest(c.prices) WITH ORDINALITY AS u(price, hour)
        UNION ALL
        SELECT p.id, o.day, o.hour, o.price
        FROM unnest(levels.perpetual_ids) AS p(id) CROSS JOIN LATERAL store.open_hours(p.id, levels.first, levels.past) AS o
    ), index_hours AS MATERIALIZED (
        SELECT DISTINCT ON (v.instrument_id, v.ts) v.instrument_id AS id, (h.ended - interval '1 hour')::date AS day,
               extract(hour FROM h.ended - interval '1 hour') + 1 AS hour, store.price(v.index_price) AS price
        FROM store.funding_rate v CROSS JOIN LATERAL (SELECT v.ts AT TIME ZONE 'UTC' AS ended) AS h
        WHERE v.instrument_id = ANY(levels.perpetual_ids) AND v.ts > levels.first::timestamp AT TIME ZONE 'UTC'
          AND v.ts <= levels.past::timestamp AT TIME ZONE 'UTC' AND v.ts = date_trunc('hour', v.ts, 'UTC')
        ORDER BY v.instrument_id, v.ts, v.version_id DESC
    ), delivered AS MATERIALIZED (
        SELECT k.id, k.day, d.price, c.price AS perpetual,
               coalesce(store.symmetric_distance(c.price, d.price) <= 0.25 AND store.symmetric_distance(d.price, f.price) > 0.5, false) AS refutes_futures
        FROM (SELECT k.id, k.day FROM keys k
              WHERE NOT EXISTS (SELECT FROM index_hours i WHERE i.id = k.id AND i.day = k.day AND i.hour = 8 AND i.price IS NOT NULL) OFFSET 0) AS k
        JOIN store.instrument i ON i.instrument_id = k.id
        CROSS JOIN LATERAL (SELECT store.price(v.price) AS price FROM store.delivery_price v
                            WHERE v.index_name = i.price_index AND v.day = k.day ORDER BY v.version_id DESC LIMIT 1) AS d
        CROSS JOIN LATERAL (
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY store.price(u.close)) AS price
            FROM (SELECT v.fresh, store.slice_minutes(v.close, v.first_minute, 450, 30) AS closes FROM store.candle_day v
                  WHERE v.instrument_id = k.id AND v.day = k.day ORDER BY v.version_id DESC LIMIT 1) AS v
            CROSS JOIN LATERAL unnest(v.closes) AS u(close)
            WHERE position(B'1' IN substring(v.fresh FROM 451 FOR 30)) > 0) AS c
        LEFT JOIN futures f ON f.perpetual_id = k.id AND f.day = k.day AND f.hour = 8
        WHERE d.price IS NOT NULL AND c.price IS NOT NULL
    ), distances AS (
        SELECT s.*, store.symmetric_distance(s.perpetual, s.told) AS pi, store.symmetric_distance(s.perpetual, s.futures) AS pf,
               store.symmetric_distance(s.told, s.futures) AS xf,
               CASE WHEN s.futures IS NULL AND s.index_price IS NOT NULL AND store.symmetric_distance(s.perpetual, s.index_price) > 0.25
                    THEN store.refuted_by_checksum(s.id, (s.day + s.hour * interval '1 hour') AT TIME ZONE 'UTC') END AS refuted
        FROM (SELECT k.id, k.day, h AS hour, coalesce(a.perpetual, p.price) AS perpetual, i.price AS index_price, a.price AS delivery,
                     coalesce(i.price, a.price) AS told, CASE WHEN d.refutes_futures IS NOT TRUE OR i.price IS NOT NULL THEN f.price END AS futures
              FROM keys k CROSS JOIN generate_series(1, 24) AS h
              LEFT JOIN perpetuals p ON p.id = k.id AND p.day = k.day AND p.hour = h
              LEFT JOIN index_hours i ON i.id = k.id AND i.day = k.day AND i.hour = h
              LEFT JOIN futures f ON f.perpetual_id = k.id AND f.day = k.day AND f.hour = h
              LEFT JOIN delivered d ON d.id = k.id AND d.day = k.day
              LEFT JOIN delivered a ON a.id = k.id AND a.day = k.day AND h = 8 OFFSET 0) AS s
    )
    SELECT a.id, a.day, a.hour, a.perpetual, a.index_price, a.futures, a.delivery,
           CASE WHEN a.pi > 0.25 THEN coalesce(a.pf > 0.5 OR a.pf >= a.xf, NOT a.refuted, true)
                ELSE a.told IS NULL AND coalesce(a.pf > 0.5, false) END,
           a.delivery IS NULL AND CASE WHEN a.pi > 0.25 THEN coalesce(a.xf > 0.5 OR a.xf >= a.pf, true)
                                       ELSE a.perpetual IS NULL AND coalesce(a.xf > 0.5, false) END
    FROM distances a
$$;

-- What disagrees, in words for a finding.
CREATE FUNCTION store.disagreement(hour integer, perpetual float8, index_price float8, futures float8, delivery float8 DEFAULT NULL) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN delivery IS NULL
                THEN format('at %s:00 UTC the perpetual''s candle says %s, the index in its funding %s, the futures %s', lpad(hour::text, 2, '0'),
                            said.perpetual, coalesce(index_price::text, 'nothing'), said.futures)
                ELSE format('from 07:30 to 08:00 UTC the perpetual''s candles say %s, the delivery price %s, the futures %s',
                            said.perpetual, delivery, said.futures) END
    FROM (SELECT coalesce(perpetual::text, 'nothing') AS perpetual, coalesce(futures::text, 'nothing') AS futures) AS said
$$;

-- Whether the exchange has answered for a whole window of an instrument, rows or none.
CREATE FUNCTION store.was_fetched(instrument_id integer, what text, "from" timestamptz, "to" timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT "from" >= "to" OR EXISTS (SELECT FROM store.fetched a WHERE a.instrument_id = was_fetched.instrument_id AND a.what = was_fetched.what
                                       AND a.windows @> CASE WHEN "from" < "to" THEN tstzrange("from", "to") END)
$$;

-- What has to be loaded before something can be compared with a perpetual's candles of a stretch of time: those, in words, where
-- it lived then and the exchange was not asked about all of it; else NULL.
CREATE FUNCTION store.awaited_candles(perpetual_id integer, "from" timestamptz, "to" timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT 'perpetuals_ohlcv of ' || l.label FROM store.lifetime l
    WHERE l.instrument_id = awaited_candles.perpetual_id
      AND NOT store.was_fetched(l.instrument_id, 'candles', greatest(l.begins, awaited_candles."from"), least(l.ends, awaited_candles."to"))
$$;

-- The same of a perpetual's funding, which begins with its first hour, or with the listing as long as none was found.
CREATE FUNCTION store.awaited_funding(perpetual_id integer, "from" timestamptz, "to" timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT 'funding_rates of ' || l.label FROM store.lifetime l LEFT JOIN store.funding_start s USING (instrument_id)
    WHERE l.instrument_id = awaited_funding.perpetual_id
      AND NOT store.was_fetched(l.instrument_id, 'funding', greatest(coalesce(s.first_hour - interval '1 hour', l.begins), awaited_funding."from"),
                                least(l.funding_ends, awaited_funding."to"))
$$;

-- Which versions are stored of the three sources of a coin's level, a day each: of the perpetual the newest one, of the index
-- the newest of an hour, of the futures the sum of the newest one of each, which grows with any of them. others is that sum
-- with the newest delivery price, which candles are compared with and funding is not. Whoever was compared with other versions
-- than these is to be validated again. Asked for perpetuals and days [first, past).
CREATE FUNCTION store.level_versions(perpetual_ids integer[], first date, past date)
RETURNS TABLE (perpetual_id integer, day date, perpetual bigint, index_price bigint, futures bigint, others bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.id, v.day, sum(v.perpetual)::bigint, sum(v.index_price)::bigint, sum(v.futures)::bigint,
           sum(coalesce(v.futures, v.delivery))::bigint
    FROM (SELECT c.instrument_id AS id, c.day, max(c.version_id) AS perpetual, NULL::bigint AS index_price, NULL::bigint AS futures,
                 NULL::bigint AS delivery
          FROM store.candle_day c
          WHERE c.instrument_id = ANY(level_versions.perpetual_ids) AND c.day >= level_versions.first AND c.day < level_versions.past
          GROUP BY c.instrument_id, c.day
          UNION ALL
          SELECT f.instrument_id, ((f.ts - interval '1 microsecond') AT TIME ZONE 'UTC')::date, NULL, max(f.version_id), NULL, NULL
          FROM store.funding_rate f
          WHERE f.instrument_id = ANY(level_versions.perpetual_ids) AND f.ts > level_versions.first::timestamp AT TIME ZONE 'UTC'
            AND f.ts <= level_versions.past::timestamp AT TIME ZONE 'UTC'
          GROUP BY 1, 2
          UNION ALL
          SELECT f.perpetual_id, c.day, NULL, NULL, max(c.version_id), NULL
          FROM store.future f JOIN store.candle_day c
            ON c.instrument_id = f.instrument_id AND c.day >= greatest(f.from_day, level_versions.first) AND c.day < least(f.past_day, level_versions.past)
          WHERE f.perpetual_id = ANY(level_versions.perpetual_ids) AND f.from_day < level_versions.past AND f.past_day > level_versions.first
          GROUP BY f.perpetual_id, c.instrument_id, c.day
          UNION ALL
          SELECT i.instrument_id, d.day, NULL, NULL, NULL, max(d.version_id)
          FROM store.instrument i JOIN store.delivery_price d
            ON d.index_name = i.price_index AND d.day >= level_versions.first AND d.day < level_versions.past
          WHERE i.instrument_id = ANY(level_versions.perpetual_ids)
          GROUP BY i.instrument_id, d.day) AS v
    GROUP BY v.id, v.day
$$;

-- What is noted of a version that was compared with its level's other sources: the version of the first of them, where that
-- alone settled it, all of it there and near; otherwise a negative number made of both, whether they are there or are yet to
-- come: then a change of either is noticed. So the sign of what was noted says what to compare it with now.
CREATE FUNCTION store.compared_with(settled boolean, first bigint, second bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN settled THEN coalesce(first, 0) ELSE -1 - coalesce(first, 0) - coalesce(second, 0) END
$$;
