-- The basis of every future in the last minute there is a published basis of, a curve a perpetual after the other:
-- BTC-PERPETUAL's and BTC_USDC-PERPETUAL's are two. Grain: future. Reads only.
WITH last_day AS (
    SELECT day FROM store.basis_day WHERE state = 'published' ORDER BY day DESC LIMIT 1
), last_minute AS (
    SELECT l.day, l.day::timestamp AT TIME ZONE 'UTC' + max(c.first_minute + c.n - 1) * interval '1 minute' AS ts
    FROM last_day l JOIN store.basis_day b ON b.day = l.day AND b.state = 'published'
    JOIN store.candle_day c ON c.instrument_id = b.instrument_id AND c.day = b.day AND c.version_id = b.future_version_id
    GROUP BY l.day
)
SELECT s.perpetual, s.ts, s.instrument, s.expires_at, s.days_to_expiry, s.future_close, s.perpetual_close, s.basis, s.basis_fraction,
       s.annualised, s.structure, s.traded
FROM last_minute l JOIN store.basis_day b ON b.day = l.day AND b.state = 'published' JOIN store.instrument i USING (instrument_id)
CROSS JOIN LATERAL store.basis_of(b, i, l.ts, l.ts + interval '1 minute') AS s
ORDER BY s.perpetual, s.expires_at, s.instrument
