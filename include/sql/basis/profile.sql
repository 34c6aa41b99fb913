-- The basis of every minute of the paired days, computed in full and summed up. Grain: future, day. Reads only.
-- Parameters: from, to (dates).
SELECT f.instrument, b.day, b.instrument_id, b.load_id, b.judged_by,
       c.n::integer AS expected_minutes, m.future_minutes, m.basis_minutes, m.future_minutes - m.basis_minutes AS missing_basis_minutes,
       m.not_finite AS not_finite_minutes, m.largest_fraction, m.largest_annualised
FROM store.basis_day b
JOIN store.future f ON f.instrument_id = b.instrument_id AND f.perpetual_id = b.perpetual_id
JOIN store.candle_day c ON c.instrument_id = b.instrument_id AND c.day = b.day AND c.load_id = b.load_id
JOIN store.candle_day p ON p.instrument_id = b.perpetual_id AND p.day = b.day AND p.load_id = b.perpetual_load_id
CROSS JOIN LATERAL (
    SELECT (extract(epoch FROM f.expires_at)::float8 - extract(epoch FROM b.day)::float8) / 60 AS minutes_to_expiry) AS d
CROSS JOIN LATERAL (
    SELECT count(u.future)::integer AS future_minutes, count(u.future - u.perpetual)::integer AS basis_minutes,
           count(*) FILTER (WHERE abs(u.future - u.perpetual) IN ('NaN', 'Infinity') OR u.perpetual <= 0)::integer AS not_finite,
           max(abs(u.future - u.perpetual) / nullif(u.perpetual, 0)) AS largest_fraction,
           max(abs(u.future - u.perpetual) / nullif(u.perpetual, 0) * 365 * 1440 / (d.minutes_to_expiry - (c.first_minute + u.i)))
               FILTER (WHERE d.minutes_to_expiry - (c.first_minute + u.i) >= 1440) AS largest_annualised
    FROM unnest(c.close, store.aligned(p.close, p.first_minute, c.first_minute, c.n)) WITH ORDINALITY AS u(future, perpetual, i)
) AS m
WHERE b.day >= %(from)s AND b.day < %(to)s
ORDER BY f.instrument, b.day
