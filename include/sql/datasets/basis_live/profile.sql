-- What is validated of the basis of open days: a row a minute of a published future of which a validation has decided on a leg; and in
-- the interval each one whose perpetual was asked for that minute and has none published. So a basis is validated when its later leg is
-- published, once, and one that is missing as long as it lies in the interval. The columns are those of the basis' own profile, of a day
-- that has one minute, and the versions of both legs. Grain: instrument, ts. Reads only. Parameters: validation_id (of the legs), from,
-- to (timestamptz, the interval), currencies.
-- is_closed: a validation has held back the day, or blocked it, and what is wrong is said of that.
-- A minute of which the perpetual's is yet to come or to be decided on is left out, and so are days of which a pair is published.
WITH future AS MATERIALIZED (
    SELECT instrument_id, label, listed_at, ends, expires_at, perpetual_id, perpetual_begins, perpetual_ends, from_day, past_day
    FROM store.future WHERE settlement_currency = ANY(%(currencies)s)
), minute AS (
    SELECT instrument_id, perpetual_id, ts
    FROM store.open_candle JOIN future USING (instrument_id) WHERE validation_id = %(validation_id)s
    UNION
    SELECT f.instrument_id, f.perpetual_id, p.ts
    FROM store.open_candle p JOIN future f ON f.perpetual_id = p.instrument_id WHERE p.validation_id = %(validation_id)s
    UNION
    SELECT f.instrument_id, f.perpetual_id, o.ts
    FROM store.open_candle o JOIN future f USING (instrument_id)
    WHERE o.state = 'published' AND o.ts >= %(from)s AND o.ts < %(to)s
      AND o.day >= (%(from)s::timestamptz AT TIME ZONE 'UTC')::date AND o.day <= (%(to)s::timestamptz AT TIME ZONE 'UTC')::date
      AND NOT EXISTS (SELECT FROM store.open_candle p
                      WHERE p.instrument_id = f.perpetual_id AND p.ts = o.ts AND p.day = o.day AND p.state = 'published')
)
SELECT f.label AS instrument, o.ts, o.day, f.instrument_id, o.version_id AS future_version_id,
       f.perpetual_id, p.version_id AS perpetual_version_id,
       EXISTS (SELECT FROM store.basis_day d
               WHERE d.instrument_id = f.instrument_id AND d.day = o.day AND d.state IN ('pending', 'held') AND d.validation_id IS NOT NULL) AS is_closed,
       (o.ts >= f.listed_at AND o.ts < f.ends)::integer AS expected_minutes, 1 AS future_minutes, e.has_basis::integer AS basis_minutes,
       (NOT e.has_basis)::integer AS missing_basis_minutes,
       (e.has_basis AND (b.fraction IS NULL OR p.close <= 0))::integer AS not_finite_minutes,
       e.is_fresh::integer AS fresh_minutes,
       CASE WHEN e.is_fresh THEN b.fraction END AS largest_fraction,
       CASE WHEN e.is_fresh AND e.minutes_left >= 1440 THEN b.fraction * 365 * 1440 / e.minutes_left END AS largest_annualised,
       1 AS rows_expected, (NOT e.has_basis)::integer AS rows_missing
FROM minute m
JOIN future f USING (instrument_id, perpetual_id)
JOIN store.open_candle o ON o.instrument_id = m.instrument_id AND o.ts = m.ts AND o.state = 'published'
     AND o.day >= f.from_day AND o.day < f.past_day
LEFT JOIN store.open_candle p ON p.instrument_id = m.perpetual_id AND p.ts = m.ts AND p.state = 'published'
CROSS JOIN LATERAL (
    SELECT p.version_id IS NOT NULL AS has_basis, coalesce(o.fresh AND p.fresh, false) AS is_fresh,
           extract(epoch FROM f.expires_at - o.ts)::float8 / 60 - 1 AS minutes_left) AS e
CROSS JOIN LATERAL (SELECT abs(store.price(o.close) - store.price(p.close)) / store.price(p.close) AS fraction) AS b
WHERE o.ts >= f.perpetual_begins AND o.ts < f.perpetual_ends
  AND (e.has_basis
       OR store.was_fetched(f.perpetual_id, 'open candles', o.ts, o.ts + interval '1 minute')
          AND NOT EXISTS (SELECT FROM store.open_candle v WHERE v.instrument_id = f.perpetual_id AND v.ts = o.ts AND v.state = 'pending'))
  AND NOT EXISTS (SELECT FROM store.basis_day d WHERE d.instrument_id = f.instrument_id AND d.day = o.day AND d.state = 'published')
ORDER BY f.label, o.ts
