-- Days that are not closed yet, minute by minute: to write a day's arrays again every minute costs a hundred times the WAL.
-- One row an instrument, minute and version; published as candle_day is. The views show a day's minutes from here unless a
-- closed day of it is published, so nothing is written here when a day closes. A minute that the exchange was asked for and
-- did not tell has no row; a value it sent as null is NaN.
CREATE TABLE store.open_candle (
    instrument_id integer     NOT NULL REFERENCES store.instrument,
    ts            timestamptz NOT NULL,                -- start of the minute
    version_id    bigint      NOT NULL REFERENCES store.ingestion,
    state         store.state NOT NULL DEFAULT 'pending',
    validation_id bigint      REFERENCES store.validation,
    shown         int8multirange NOT NULL DEFAULT '{}',
    open   float8 NOT NULL,
    high   float8 NOT NULL,
    low    float8 NOT NULL,
    close  float8 NOT NULL,
    volume float8 NOT NULL,
    cost   float8 NOT NULL,
    fresh  boolean NOT NULL,                           -- as a bit of candle_day's
    duplicate     boolean NOT NULL,                    -- what was wrong with the answer it came in
    misaligned    boolean NOT NULL,
    out_of_order  boolean NOT NULL,
    out_of_window boolean NOT NULL,
    day date NOT NULL GENERATED ALWAYS AS ((ts AT TIME ZONE 'UTC')::date) STORED,
    PRIMARY KEY (instrument_id, ts, version_id)
-- each row is rewritten once, when it is published: what that leaves behind is used again soon
) WITH (autovacuum_vacuum_scale_factor = 0.01);

CREATE UNIQUE INDEX open_candle_published ON store.open_candle (day, ts, instrument_id) WHERE state = 'published';

CREATE INDEX open_candle_undecided ON store.open_candle (ts) WHERE state IN ('pending', 'held');

CREATE INDEX open_candle_taken_away ON store.open_candle (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');

-- for loads and validations that are deleted, as in 0016
CREATE INDEX ON store.open_candle (version_id);

CREATE INDEX ON store.open_candle (validation_id);

-- Which minutes of open days the exchange has answered for is kept as of candles and funding.
ALTER TABLE store.fetched DROP CONSTRAINT fetched_what_check,
    ADD CONSTRAINT fetched_what_check CHECK (what IN ('candles', 'funding', 'open candles'));

-- What live had said of a day when its minutes were deleted, compared with the closed day: a row an instrument and day.
CREATE TABLE store.open_day (
    instrument_id  integer     NOT NULL REFERENCES store.instrument,
    day            date        NOT NULL,
    version_id     bigint      NOT NULL,               -- the closed day's, that it was compared with
    live_minutes   smallint    NOT NULL,               -- published when they were deleted
    closed_minutes smallint    NOT NULL,               -- of the closed day, those that are not missing
    missed         smallint    NOT NULL,               -- of these, those that live did not have
    different      smallint    NOT NULL,               -- minutes of both with a value that differs
    corrected      integer     NOT NULL,               -- versions that a later answer took the place of while the day was open
    compared_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (instrument_id, day)
);
