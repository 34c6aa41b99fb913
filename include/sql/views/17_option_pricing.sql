-- Options by Black-76 with no interest: a forward, a volatility, and time in years of 365 days, as the exchange has it. Every
-- number that comes in passes store.price, so what no market has (zero, negative, infinite, NaN) is NULL from there on.
--
-- Each step is a subquery that the planner must not dissolve (OFFSET 0), or it would write d1 and d2 out wherever they occur.

-- The standard normal distribution: the probability of less than x. Beyond 20 deviations it is that of 20 (3e-89): the
-- difference is no amount of money, and a product smaller than any float8 would stop the whole statement.
CREATE FUNCTION store.normal_cdf(x float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT erfc(-0.7071067811865476 * CASE WHEN x < -20 THEN -20 WHEN x > 20 THEN 20 ELSE x END) / 2
$$;

-- Its density at x, likewise.
CREATE FUNCTION store.normal_pdf(x float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 0.3989422804014327 * exp(CASE WHEN abs(x) > 20 THEN -200 ELSE x * x / -2 END)
$$;

-- 1 of a call, -1 of a put: with it one formula is both.
CREATE FUNCTION store.option_sign(option_type text) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE option_type WHEN 'call' THEN 1 WHEN 'put' THEN -1 END
$$;

-- What an option is worth at a volatility, and its greeks: calculated, not the exchange's, which gives them of an option now
-- but of a chain, or of the past, not at all. They are what its ticker shows: there they are Black-76 on mark_iv and
-- underlying_price, too.
--   option_type     'call' or 'put'
--   strike, forward in the quote currency (USD, USDC); the forward is the exchange's underlying_price, not the index
--   iv              percent a year
--   days_to_expiry  fractional
--   inverse         paid in the coin (BTC, ETH); false: in the quote currency (linear)
-- gives one row, whose columns are NULL where an input is NULL, not positive or not finite (iv = 0, expired):
--   price  in the coin, or the quote currency if linear; >= 0
--   delta  what the value in the quote currency changes by when the forward does by 1: a call's 0 to 1, a put's -1 to 0
--   gamma  what delta changes by then; >= 0
--   vega   quote currency, for a volatility point (iv + 1); >= 0
--   theta  quote currency, in the next day; <= 0. In a day an option can't lose more than it is worth, and in its last day
--          it has only the rest of it: so the exchange has it, and plain Black-76 would be off by half under a day
--   rho    quote currency, for a percent of interest with the forward moving with it: a call's >= 0, a put's <= 0
CREATE FUNCTION black_76(option_type text, strike float8, forward float8, iv float8, days_to_expiry float8, inverse boolean)
RETURNS TABLE (price float8, delta float8, gamma float8, vega float8, theta float8, rho float8)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1 AS $$
    SELECT CASE WHEN inverse THEN v.value / i.f WHEN NOT inverse THEN v.value END,
           i.sign * v.n1,
           v.density / (i.f * d.s),
           i.f * v.density * sqrt(i.t) / 100,
           -- greatest() would take NULL for the least
           CASE WHEN v.decay < v.value THEN -v.decay ELSE -v.value END,
           i.sign * i.k * i.t * v.n2 / 100
    FROM (SELECT store.option_sign(option_type) AS sign, store.price(strike) AS k, store.price(forward) AS f,
                 store.price(iv) / 100 AS sigma, store.price(days_to_expiry) / 365 AS t OFFSET 0) AS i
    CROSS JOIN LATERAL (SELECT i.sigma * sqrt(i.t) AS s OFFSET 0) AS e
    CROSS JOIN LATERAL (SELECT e.s, ln(i.f / i.k) / e.s + e.s / 2 AS d1, ln(i.f / i.k) / e.s - e.s / 2 AS d2 OFFSET 0) AS d
    CROSS JOIN LATERAL (SELECT store.normal_pdf(i.sign * d.d1) AS density, store.normal_cdf(i.sign * d.d1) AS n1,
                               store.normal_cdf(i.sign * d.d2) AS n2 OFFSET 0) AS n
    CROSS JOIN LATERAL (SELECT n.density, n.n1, n.n2, i.sign * (i.f * n.n1 - i.k * n.n2) AS rounded,
                               i.f * n.density * i.sigma / (2 * sqrt(i.t)) / 365 * least(365 * i.t, 1) AS decay OFFSET 0) AS r
    CROSS JOIN LATERAL (SELECT r.*, CASE WHEN r.rounded < 0 THEN 0 ELSE r.rounded END AS value OFFSET 0) AS v
$$;

-- What an out-of-the-money option is worth at s, the deviation of the logarithm of the forward over its life, where the forward
-- is e^x of the strike or the strike of the forward (x < 0), as a fraction of the root of both; and how fast that grows with s.
CREATE FUNCTION store.normalised_black(x float8, s float8) RETURNS TABLE (value float8, slope float8)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1 AS $$
    SELECT greatest(exp(x / 2) * store.normal_cdf(d.at + s / 2) - exp(x / -2) * store.normal_cdf(d.at - s / 2), 1e-50),
           0.3989422804014327 * exp(greatest((d.at * d.at + s * s / 4) / -2, -300))
    FROM (SELECT x / s AS at) AS d OFFSET 0
$$;

-- The volatility, in percent a year, at which an option is worth a price, such as the bid or the ask: black_76 the other way
-- round, with the same inputs in the same units; price in the coin, or the quote currency if linear. One row, whose iv is
-- NULL where there is none: an input is NULL, not positive or not finite, the price is at or below what exercising would
-- bring now, or at or above the most it can be worth (a call the forward, a put the strike), or it is so near either (1e-12
-- of the root of forward times strike, 1e-9 of the most) that it tells rounding and no volatility.
--
-- By parity the time value is what the out-of-the-money option of that strike is worth. As a function of s that is convex up to
-- s0 = sqrt(2 |x|), and concave from there on; its logarithm, as a function of 1 / s^2, is nearly a straight line up to s0.
-- So Newton's method begins at s0, and goes up by the value or down by the logarithm without ever passing the solution. (That
-- start is of Manaster and Koehler, 1982; to take the logarithm below it, of Jaeckel's "By Implication", 2006.) It takes four to
-- seven steps, two dozen at the edges. The last is the one that moves s by less than 1e-8 of itself, which leaves the
-- square of that, or rounding.
CREATE FUNCTION implied_volatility(option_type text, strike float8, forward float8, price float8, days_to_expiry float8, inverse boolean)
RETURNS TABLE (iv float8)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1 AS $$
    SELECT 100 * solved.s / sqrt(i.t)
    FROM (SELECT store.option_sign(option_type) AS sign, store.price(strike) AS k, store.price(forward) AS f,
                 store.price(days_to_expiry) / 365 AS t,
                 store.price(price) * CASE WHEN inverse THEN store.price(forward) WHEN NOT inverse THEN 1 END AS value OFFSET 0) AS i
    CROSS JOIN LATERAL (
        SELECT -greatest(abs(ln(i.f / i.k)), 1e-16) AS x,
               (i.value - (i.sign * (i.f - i.k) + abs(i.f - i.k)) / 2) / sqrt(i.f * i.k) AS time_value OFFSET 0) AS n
    CROSS JOIN LATERAL (SELECT sqrt(-2 * n.x) AS s0 OFFSET 0) AS z
    CROSS JOIN LATERAL store.normalised_black(n.x, z.s0) AS bend
    LEFT JOIN LATERAL (
        WITH RECURSIVE newton (step, s, moved) AS (
            SELECT 0, z.s0, 1::float8 WHERE n.time_value > 1e-12 AND n.time_value < exp(n.x / 2) * (1 - 1e-9)
            UNION ALL
            SELECT newton.step + 1, next.s, abs(next.s / newton.s - 1)
            FROM newton
            CROSS JOIN LATERAL store.normalised_black(n.x, newton.s) AS now
            CROSS JOIN LATERAL (
                SELECT CASE WHEN n.time_value < bend.value
                            THEN 1 / sqrt(greatest(1 / newton.s ^ 2 + 2 * now.value * ln(now.value / n.time_value) / (now.slope * newton.s ^ 3),
                                                   1 / (-2 * n.x)))
                            ELSE newton.s + (n.time_value - now.value) / now.slope END AS s OFFSET 0) AS next
            WHERE newton.moved > 1e-8 AND newton.step < 64
        )
        SELECT newton.s FROM newton WHERE newton.moved <= 1e-8
    ) AS solved ON true
$$;
