-- Publication, the same in every table that publishes. Each has a row a key and version; a version is never changed, but
-- for these three columns:
--   state          pending     no validation has decided on it
--                  published   it is what the views show: at most one version a key
--                  held        a validation holds it back, or took it back
--                  superseded  a newer version was published in its place
--                  withdrawn   it was computed from a version that was taken back
--   validation_id  the validation that put it into its state; of a pending version NULL, or the one that blocked it
--   shown          during which validations it was published: from the one that published it to before the one that took
--                  it away, {[10,20),[30,)}. So what was published at any moment can be asked (store.as_of).
CREATE TYPE store.state AS ENUM ('pending', 'published', 'held', 'superseded', 'withdrawn');

-- Provenance: a row a transaction that changed something, one instrument and window each.
CREATE TABLE store.ingestion (
    version_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset   text        NOT NULL,
    subject   text        NOT NULL,                    -- the instrument or index that was loaded
    host      text        NOT NULL,
    run_id    text        NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    added     integer     NOT NULL,                    -- days (funding: hours) not known before
    grown     integer     NOT NULL,                    -- days that only gained minutes
    corrected integer     NOT NULL                     -- days whose known values the exchange changed
);

-- What the exchange was asked about and answered in full, rows or none: a row an instrument and question. So what
-- is missing is told from what was never asked for.
CREATE TABLE store.fetched (
    instrument_id integer        NOT NULL REFERENCES store.instrument,
    what          text           NOT NULL CHECK (what IN ('candles', 'funding')),
    windows       tstzmultirange NOT NULL,
    PRIMARY KEY (instrument_id, what)
);

-- One row an instrument, UTC day and version. A missing minute is NULL in every array, never a shorter array; a value
-- the exchange sent as null is NaN.
CREATE TABLE store.candle_day (
    instrument_id integer  NOT NULL REFERENCES store.instrument,
    day           date     NOT NULL,
    version_id    bigint   NOT NULL REFERENCES store.ingestion,
    state         store.state NOT NULL DEFAULT 'pending',
    validation_id bigint,
    shown         int8multirange NOT NULL DEFAULT '{}',
    -- what its level was checked against when it was validated last, or what it was cut from: perpetual, index, futures;
    -- none: there was nothing; awaited: a validation has left it waiting
    reference     text,
    compared_with bigint,                              -- which versions of that (store.compared_with)
    first_minute  smallint NOT NULL,                   -- minute of the UTC day of the first array element
    n             smallint NOT NULL,                   -- elements of each array
    present       smallint NOT NULL,                   -- elements that are not missing
    duplicate       smallint NOT NULL,                   -- what was wrong with the pages they came in
    misaligned    smallint NOT NULL,
    out_of_order    smallint NOT NULL,
    out_of_window       smallint NOT NULL,
    open   float8[] NOT NULL,
    high   float8[] NOT NULL,
    low    float8[] NOT NULL,
    close  float8[] NOT NULL,
    volume float8[] NOT NULL,
    cost   float8[] NOT NULL,
    -- by minute of the day: trades at the candle's own prices were among what traded
    -- (volume * low - t <= cost <= volume * high + t, t the larger of 1 USD and 2 bp of cost)
    fresh  bit(1440) NOT NULL,
    traded bit(1440) NOT NULL,                         -- by minute of the day: something traded
    calculable boolean NOT NULL,                       -- every close is something to calculate with (store.price)
    turnover float8 NOT NULL,                          -- USD, the sum of cost
    -- what coverage sums up lies in the index: it never has to read the rows with the arrays
    PRIMARY KEY (instrument_id, day, version_id) INCLUDE (n, present, state, reference),
    CHECK (first_minute >= 0 AND n > 0 AND first_minute + n <= 1440 AND present BETWEEN 0 AND n),
    CHECK (cardinality(open) = n AND cardinality(high) = n AND cardinality(low) = n
           AND cardinality(close) = n AND cardinality(volume) = n AND cardinality(cost) = n)
);

CREATE UNIQUE INDEX candle_day_published ON store.candle_day (day, instrument_id) WHERE state = 'published';

CREATE INDEX candle_day_undecided ON store.candle_day (day) WHERE state IN ('pending', 'held');

CREATE INDEX candle_day_taken_away ON store.candle_day (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');

-- ANALYZE has nothing to learn from the arrays, and reading them costs seconds
ALTER TABLE store.candle_day
    ALTER COLUMN open SET STATISTICS 0, ALTER COLUMN high SET STATISTICS 0, ALTER COLUMN low SET STATISTICS 0,
    ALTER COLUMN close SET STATISTICS 0, ALTER COLUMN volume SET STATISTICS 0, ALTER COLUMN cost SET STATISTICS 0;

-- A minute of a day whose close moved away and came straight back, and how far, as a fraction.
CREATE TYPE store.spike AS (minute integer, move float8);
