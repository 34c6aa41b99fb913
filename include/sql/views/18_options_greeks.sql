-- The greeks of an option of a chain, calculated from what the exchange said of it in that moment: its mark_iv, the price of
-- the future it is priced on, the time that was left. Not the exchange's own greeks (black_76). What settles in its own coin is
-- inverse. A subquery in the list is worked out only where its column is asked for, and the two volatilities are three
-- times as much work as all the greeks.
CREATE FUNCTION store.greeks_of(o options_chain)
RETURNS TABLE (currency text, expires_at timestamptz, ts timestamptz, instrument text, option_type text, strike float8,
               days_to_expiry float8, underlying_price float8, underlying text, mark_price float8, mark_iv float8,
               delta float8, gamma float8, vega float8, theta float8, rho float8,
               bid_price float8, bid_iv float8, ask_price float8, ask_iv float8,
               open_interest float8, settlement text, base_currency text, beat timestamptz, validation_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
    SELECT o.currency, o.expires_at, o.ts, o.instrument, o.option_type, o.strike,
           t.days, o.underlying_price, o.underlying, o.mark_price, o.mark_iv,
           g.delta, g.gamma, g.vega, g.theta, g.rho,
           o.bid_price, (SELECT v.iv FROM implied_volatility(o.option_type, o.strike, o.underlying_price, o.bid_price, t.days, t.inverse) AS v),
           o.ask_price, (SELECT v.iv FROM implied_volatility(o.option_type, o.strike, o.underlying_price, o.ask_price, t.days, t.inverse) AS v),
           o.open_interest, o.settlement, o.base_currency, o.beat, o.validation_id
    FROM (SELECT extract(epoch FROM o.expires_at - o.ts)::float8 / 86400 AS days, o.settlement = o.base_currency AS inverse OFFSET 0) AS t
    CROSS JOIN LATERAL black_76(o.option_type, o.strike, o.underlying_price, o.mark_iv, t.days, t.inverse) AS g
$$;

-- The greeks of every listed option, beat by beat.
CREATE VIEW options_greeks AS
    SELECT g.* FROM options_chain AS o CROSS JOIN LATERAL store.greeks_of(o) AS g;

-- Those of the chain that chain_at answers with, in its order.
CREATE FUNCTION greeks_at(currency text, at timestamptz, as_of timestamptz DEFAULT NULL) RETURNS SETOF options_greeks
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT g.* FROM chain_at(greeks_at.currency, greeks_at.at, greeks_at.as_of) AS o CROSS JOIN LATERAL store.greeks_of(o) AS g
    ORDER BY o.expires_at, o.series, o.strike, o.option_type
$$;
