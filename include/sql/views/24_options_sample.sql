-- What the tickers of a sample say, an option each. The exchange's clock; numbers as they were kept, with seven digits.
CREATE FUNCTION store.tickers_of(s store.option_sample)
RETURNS TABLE (roster_id integer, place smallint, ts timestamptz, mark_price float8, mark_iv float8, underlying_price float8,
               delta float8, gamma float8, vega float8, theta float8, rho float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20 AS $$
    SELECT u.roster_id, u.place, s.beat + u.ms * interval '1 millisecond', u.mark, u.iv, u.forward, u.delta, u.gamma, u.vega, u.theta, u.rho
    FROM unnest(s.rosters, s.places, s.told_ms, s.tickers[1:1][:], s.tickers[2:2][:], s.tickers[3:3][:], s.tickers[4:4][:], s.tickers[5:5][:],
                s.tickers[6:6][:], s.tickers[7:7][:], s.tickers[8:8][:])
         AS u(roster_id, place, ms, mark, iv, forward, delta, gamma, vega, theta, rho)
$$;

-- Of one version of an expiry the options that were sampled: what the chain says and what is calculated from it, what the ticker
-- says, and where they are further apart than they may be (NULL: nowhere).
--
-- chain_apart: chain against ticker, which are seconds apart. Between the recorded chain of 2025-12-30 and greeks that were read at
-- another moment delta is at most 0.004 apart and vega 2 %, of 1,100 options with a day and more. Ten times that (0.05, 20 %); 10 % of
-- the volatility, 2 % of the underlying, and of the mark price what that can move it by. In its last day an option moves within
-- seconds, so it is not compared, and neither is what is more than a minute apart.
-- greeks_apart: black_76 on the ticker's own numbers against its greeks, of one moment. All recorded tickers: delta 1e-4, gamma
-- 1e-5, and where their size is 1 or more vega 0.2 %, rho 0.1 %, theta 2.5 %. Twice that and more; and gamma times half of the last of
-- the four decimals that an underlying has, doubled, which is what a coin of a USD or less adds to its delta. In the last hour,
-- in which the exchange averages towards the delivery price, nothing is compared.
CREATE FUNCTION store.sampled_of(c store.option_chain)
RETURNS TABLE (instrument text, ts timestamptz, ticker_ts timestamptz, days_to_expiry float8,
               underlying_price float8, ticker_underlying_price float8, mark_price float8, ticker_mark_price float8,
               mark_iv float8, ticker_mark_iv float8, delta float8, ticker_delta float8, gamma float8, ticker_gamma float8,
               vega float8, ticker_vega float8, theta float8, ticker_theta float8, rho float8, ticker_rho float8,
               chain_apart text, greeks_apart text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2 AS $$
    SELECT u.instrument, u.ts, k.ts, t.days, u.underlying_price, k.underlying_price, u.mark_price, k.mark_price, u.mark_iv, k.mark_iv,
           g.delta, k.delta, g.gamma, k.gamma, g.vega, k.vega, g.theta, k.theta, g.rho, k.rho,
           CASE WHEN t.ticker_days < 1 OR abs(extract(epoch FROM k.ts - u.ts)) > 60 THEN NULL
                WHEN store.relative_distance(k.underlying_price, u.underlying_price) > 0.02
                    THEN format('underlying %s, ticker %s', u.underlying_price, k.underlying_price::real)
                WHEN store.relative_distance(k.mark_iv, u.mark_iv) > 0.1 THEN format('volatility %s, ticker %s', u.mark_iv, k.mark_iv::real)
                WHEN abs(k.mark_price - u.mark_price) > 0.02 * CASE WHEN t.inverse THEN 1 ELSE k.underlying_price END
                    THEN format('mark %s, ticker %s', u.mark_price, k.mark_price::real)
                WHEN abs(g.delta - k.delta) > 0.05 THEN format('delta %s, ticker %s', round(g.delta::numeric, 6), k.delta::real)
                WHEN abs(g.vega - k.vega) > 0.2 * greatest(abs(k.vega), 1) THEN format('vega %s, ticker %s', round(g.vega::numeric, 6), k.vega::real) END,
           CASE WHEN t.ticker_days < 1.0 / 24 THEN NULL
                WHEN abs(o.delta - k.delta) > 2e-4 + 1e-4 * o.gamma THEN format('delta %s, calculated %s', k.delta::real, round(o.delta::numeric, 6))
                WHEN abs(o.gamma - k.gamma) > 2e-5 + 0.05 * k.gamma THEN format('gamma %s, calculated %s', k.gamma::real, round(o.gamma::numeric, 6))
                WHEN abs(o.vega - k.vega) > 0.005 * greatest(abs(k.vega), 1) THEN format('vega %s, calculated %s', k.vega::real, round(o.vega::numeric, 6))
                WHEN abs(o.theta - k.theta) > 0.05 * greatest(abs(k.theta), 1) THEN format('theta %s, calculated %s', k.theta::real, round(o.theta::numeric, 6))
                WHEN abs(o.rho - k.rho) > 0.005 * greatest(abs(k.rho), 1) THEN format('rho %s, calculated %s', k.rho::real, round(o.rho::numeric, 6)) END
    FROM store.option_sample s
    JOIN store.tickers_of(s) AS k ON k.roster_id = c.roster_id
    JOIN store.roster r ON r.roster_id = c.roster_id
    JOIN store.option_quotes(r.instruments, c.told_at, c.quotes, c.scales, c.odd_quotes, c.underlying, c.interest_rate) AS u
        ON u.instrument = r.instruments[k.place]
    CROSS JOIN LATERAL (SELECT extract(epoch FROM c.expires_at - u.ts)::float8 / 86400 AS days, extract(epoch FROM c.expires_at - k.ts)::float8 / 86400 AS ticker_days,
                               CASE right(u.instrument, 1) WHEN 'C' THEN 'call' ELSE 'put' END AS option_type,
                               replace(split_part(u.instrument, '-', 3), 'd', '.')::float8 AS strike,
                               split_part(split_part(c.series, '-', 1), '_', 1) = c.currency AS inverse OFFSET 0) AS t
    CROSS JOIN LATERAL black_76(t.option_type, t.strike, u.underlying_price, u.mark_iv, t.days, t.inverse) AS g
    CROSS JOIN LATERAL black_76(t.option_type, t.strike, k.underlying_price, k.mark_iv, t.ticker_days, t.inverse) AS o
    WHERE s.currency = c.currency AND s.beat = c.beat
$$;

-- The options that were compared with their tickers, beat by beat, of what is published.
CREATE VIEW options_sample AS
    SELECT c.currency, c.beat, s.*, c.validation_id
    FROM store.option_chain AS c CROSS JOIN LATERAL store.sampled_of(c) AS s WHERE c.state = 'published';
