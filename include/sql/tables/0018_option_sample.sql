-- One row a currency and beat: what the tickers of some options said seconds after the chain was stored, to compare it with. It
-- belongs to the chain of its beat (store.option_chain), and goes with it; of what is compared the result is not kept, for it is
-- worked out from both.
--
-- tickers holds eight numbers of each option that was answered: mark_price, mark_iv, underlying_price, delta, gamma, vega, theta,
-- rho. With the seven digits of a real, more than anything here is compared to; half of float8, and no compression would make
-- either smaller. The option is the one at its place (from 1) in a roster. All arrays are in step.
CREATE TABLE store.option_sample (
    currency text        NOT NULL,                     -- the settlement currency
    beat     timestamptz NOT NULL,
    asked    smallint    NOT NULL CHECK (asked > 0),   -- how many tickers, answered or not
    rosters  integer[]   NOT NULL,                     -- of store.roster
    places   smallint[]  NOT NULL,
    told_ms  integer[]   NOT NULL,                     -- the exchange's clock, ms after the beat
    tickers  real[]      NOT NULL,
    PRIMARY KEY (currency, beat)
);
