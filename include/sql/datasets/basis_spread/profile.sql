-- The basis of every minute of the paired days, the newest pair of each, computed in full and summed up. Grain: future, day. Reads only.
-- Parameters: from, to. Minutes count while the perpetual lives, from its very first candle on: before and after
-- it there is nothing a basis could be missing against. How large a basis is says something of fresh minutes only, those
-- that both legs traded in at the prices shown.
SELECT f.label AS instrument, b.day, b.instrument_id, b.version_id,
       e.n AS expected_minutes, m.future_minutes, m.basis_minutes, m.future_minutes - m.basis_minutes AS missing_basis_minutes,
       m.not_finite AS not_finite_minutes, m.fresh_minutes, m.largest_fraction, m.largest_annualised,
       m.future_minutes AS rows_expected, m.future_minutes - m.basis_minutes AS rows_missing
FROM (SELECT DISTINCT ON (day, instrument_id) * FROM store.basis_day WHERE day >= (%(from)s::timestamptz AT TIME ZONE 'UTC')::date AND day < (%(to)s::timestamptz AT TIME ZONE 'UTC')::date
      ORDER BY day, instrument_id, version_id DESC) AS b
JOIN store.lifetime f ON f.instrument_id = b.instrument_id
JOIN store.lifetime q ON q.instrument_id = b.perpetual_id
JOIN store.candle_day c ON c.instrument_id = b.instrument_id AND c.day = b.day AND c.version_id = b.future_version_id
JOIN store.candle_day p ON p.instrument_id = b.perpetual_id AND p.day = b.day AND p.version_id = b.perpetual_version_id
CROSS JOIN LATERAL (
    SELECT greatest(w.first, CASE WHEN p.present < 1440 THEN store.first_candle_minute(p.instrument_id, p.day, p.first_minute, p.close) END) AS first, w.past
    FROM store.clip_minutes(b.day, c.first_minute, c.n, q.begins, q.ends) AS w OFFSET 0) AS k
-- what is the same for all minutes of a day is computed once (OFFSET 0 keeps the planner from repeating it for each)
CROSS JOIN LATERAL (
    SELECT k.first, greatest(k.past - k.first, 0) AS n, c.fresh & p.fresh AS fresh,
           (extract(epoch FROM f.expires_at)::float8 - extract(epoch FROM b.day)::float8) / 60 - k.first AS minutes_left OFFSET 0) AS e
CROSS JOIN LATERAL (
    SELECT e.minutes_left, floor(e.minutes_left - 1440)::bigint AS last_annualised OFFSET 0) AS d
CROSS JOIN LATERAL (
    SELECT count(x.future)::integer AS future_minutes, count(*) FILTER (WHERE x.future IS NOT NULL AND x.perpetual IS NOT NULL)::integer AS basis_minutes,
           count(*) FILTER (WHERE x.future IS NOT NULL AND x.perpetual IS NOT NULL AND x.distance IS NULL OR x.perpetual <= 0)::integer AS not_finite,
           count(*) FILTER (WHERE x.is_fresh)::integer AS fresh_minutes,
           max(x.distance / abs(x.price)) FILTER (WHERE x.is_fresh) AS largest_fraction,
           max(x.distance / abs(x.price) * 365 * 1440 / (d.minutes_left - x.i)) FILTER (WHERE x.is_fresh AND x.i <= d.last_annualised) AS largest_annualised
    FROM (SELECT u.future, u.perpetual, store.price(u.perpetual) AS price, u.i, get_bit(e.fresh, e.first + u.i - 1) = 1 AS is_fresh,
                 abs(store.price(u.future) - store.price(u.perpetual)) AS distance
          FROM (SELECT unnest(store.slice_minutes(c.close, c.first_minute, e.first, e.n)) AS future,
                       unnest(store.slice_minutes(p.close, p.first_minute, e.first, e.n)) AS perpetual, generate_series(1, e.n) AS i
                WHERE e.n > 0) AS u
          OFFSET 0) AS x
) AS m
WHERE b.state <> 'withdrawn'
ORDER BY f.label, b.day
