-- One row a roll and version: the contract that a series of futures rolls to, and from when on it is held. A series is a
-- family of dated futures (store.roll_contract), a rule, the contracts that are eligible and a rank. It never rolls back, so a
-- contract is in a series once at most: it is the key, and a correction that moves a roll to another day is another version of
-- it. Published as candle_day is.
CREATE TABLE store.roll (
    instrument_id      integer  NOT NULL REFERENCES store.instrument,  -- the contract rolled to
    rule               text     NOT NULL CHECK (rule IN ('expiry', 'volume')),
    eligible           text     NOT NULL CHECK (eligible IN ('quarterly', 'monthly', 'all')),
    rank               smallint NOT NULL CHECK (rank BETWEEN 0 AND 2),
    version_id         bigint   NOT NULL REFERENCES store.ingestion,
    state              store.state NOT NULL DEFAULT 'pending',
    validation_id      bigint   REFERENCES store.validation,
    shown              int8multirange NOT NULL DEFAULT '{}',
    day                date     NOT NULL,              -- it is held from 00:00 UTC of this day on
    skipped            boolean  NOT NULL,              -- a correction has left it out of the series
    from_instrument_id integer  REFERENCES store.instrument,  -- the contract rolled from; NULL: the series begins
    from_version_id    bigint,                         -- the versions of both legs' candles of the day before, which
    to_version_id      bigint,                         -- the roll was decided on and priced by; NULL: not published
    from_turnover      float8,                         -- USD, of that day
    to_turnover        float8,
    price_at           timestamptz,                    -- the last minute of that day that is fresh in both legs
    from_close         float8,                         -- their closes in it; NULL: there is no such minute
    to_close           float8,
    PRIMARY KEY (instrument_id, rule, eligible, rank, version_id),
    CHECK (num_nulls(price_at, from_close, to_close) IN (0, 3))
);

CREATE UNIQUE INDEX roll_published ON store.roll (instrument_id, rule, eligible, rank) WHERE state = 'published';

CREATE INDEX roll_undecided ON store.roll (day) WHERE state IN ('pending', 'held');

CREATE INDEX roll_taken_away ON store.roll (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');
