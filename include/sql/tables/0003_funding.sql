-- One row an instrument, hour end and version; published as candle_day is.
CREATE TABLE store.funding_rate (
    instrument_id    integer     NOT NULL REFERENCES store.instrument,
    ts               timestamptz NOT NULL,             -- END of the hour
    version_id       bigint      NOT NULL REFERENCES store.ingestion,
    state            store.state NOT NULL DEFAULT 'pending',
    validation_id    bigint,
    shown            int8multirange NOT NULL DEFAULT '{}',
    reference        text,                             -- what its index was checked against, as that of candle_day
    compared_with    bigint,
    interest_1h      float8,                           -- fraction of that hour; positive: longs pay
    interest_8h      float8,                           -- fraction, trailing eight hours
    index_price      float8,                           -- USD at ts
    prev_index_price float8,                           -- USD at the previous row's ts
    duplicate          boolean     NOT NULL DEFAULT false, -- the exchange sent the hour more than once in an answer
    PRIMARY KEY (instrument_id, ts, version_id)
);

CREATE UNIQUE INDEX funding_rate_published ON store.funding_rate (ts, instrument_id) WHERE state = 'published';

CREATE INDEX funding_rate_undecided ON store.funding_rate (ts) WHERE state IN ('pending', 'held');

CREATE INDEX funding_rate_taken_away ON store.funding_rate (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');

-- What the exchange says a perpetual's funding came to over a window (begins, ends], weighed by the index: its own sum, to
-- compare the hours with. A fraction of what a position was worth at the start.
CREATE TABLE store.funding_checksum (
    instrument_id integer     NOT NULL REFERENCES store.instrument,
    begins        timestamptz NOT NULL,
    ends          timestamptz NOT NULL,
    value         float8      NOT NULL,
    asked_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (instrument_id, begins, ends)
);

-- The first hour the exchange has, found by asking it.
CREATE TABLE store.funding_start (
    instrument_id integer PRIMARY KEY REFERENCES store.instrument,
    first_hour    timestamptz NOT NULL,
    discovered_at timestamptz NOT NULL DEFAULT now()
);
