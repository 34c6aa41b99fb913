-- One row a currency, beat, expiry and version: every listed option of an expiry; published as candle_day is. Arrays are in step with
-- the roster: the calls by their strikes, then the puts. An array of one says the same of all. NULL: the exchange did not say.
--
-- quotes holds nine numbers of each option as whole multiples of a power of ten, so that a value reads back as the decimal the
-- exchange sent: quotes[k][i] / 10 ^ scales[k] is what field k says of instrument i, in the order mark_price, mark_iv, bid_price,
-- ask_price, last_price, open_interest, volume, underlying_price, index_price. One array, and not nine: it is compressed as a
-- whole, and a call's volatility is that of the put with the same strike. What it takes: docs/decisions.md.
CREATE TABLE store.option_chain (
    currency      text        NOT NULL,                -- the settlement currency: the unit of the prices
    beat          timestamptz NOT NULL,
    series        text        NOT NULL,                -- what the names of an expiry's options begin with: BTC-26MAR27, SOL_USDC-26MAR27
    version_id    bigint      NOT NULL REFERENCES store.ingestion,
    state         store.state NOT NULL DEFAULT 'pending',
    validation_id bigint      REFERENCES store.validation,
    shown         int8multirange NOT NULL DEFAULT '{}',
    expires_at    timestamptz NOT NULL,
    roster_id     integer     NOT NULL REFERENCES store.roster,
    told_at       timestamptz[] NOT NULL,              -- the exchange's clock
    quotes        bigint[]    NOT NULL,
    scales        smallint[]  NOT NULL,
    odd_quotes    float8[]    NOT NULL,                -- the same nine, of what is no decimal of ten places; empty where all are
    underlying    text[]      NOT NULL,                -- the future an option is priced on, or SYN.… where there is none
    interest_rate float8[]    NOT NULL,                -- fraction a year
    unreadable    text[]      NOT NULL,                -- rows that were left out, and why
    PRIMARY KEY (currency, beat, series, version_id)
-- a row is rewritten once, when it is published: a larger array lies beside it and is not, and what is left behind is used again
) WITH (autovacuum_vacuum_scale_factor = 0.01, toast_tuple_target = 1000);

CREATE UNIQUE INDEX option_chain_published ON store.option_chain (currency, beat, series) WHERE state = 'published';

CREATE INDEX option_chain_undecided ON store.option_chain (beat) WHERE state IN ('pending', 'held');

CREATE INDEX option_chain_taken_away ON store.option_chain (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');
