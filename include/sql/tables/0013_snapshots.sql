-- Snapshots: what can be asked of the exchange now and never again. They are taken at beats, full multiples of a number of
-- seconds since 2000-01-01 (UTC); a beat at which none was taken is a gap for good.

-- How often there should be a snapshot of a dataset (or how often one is kept), by stretches of time. Expected beats are counted
-- from here.
CREATE TABLE store.snapshot_beat (
    dataset text        NOT NULL,
    begins  timestamptz NOT NULL,                      -- the first beat
    ends    timestamptz NOT NULL DEFAULT 'infinity',   -- the first beat after it
    seconds integer     NOT NULL CHECK (seconds > 0),
    PRIMARY KEY (dataset, begins)
);

-- The instruments of snapshots by their names, in the order of a snapshot's arrays. Snapshots of the same instruments name the
-- same roster: so it costs them nothing. Names, and not ids: what the catalogue does not have (yet) is in a snapshot all the same.
CREATE TABLE store.roster (
    roster_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest      uuid        NOT NULL UNIQUE,           -- md5 of the names
    first_beat  timestamptz NOT NULL,                  -- of the first snapshot that had them
    instruments text[]      NOT NULL CHECK (cardinality(instruments) > 0)
);

-- One row a currency, beat and version: every perpetual and dated future that settles in the currency; published as candle_day is.
-- The arrays are in step with the roster; an array of one says the same of all. NULL: the exchange did not say.
CREATE TABLE store.instrument_summary (
    currency      text        NOT NULL,
    beat          timestamptz NOT NULL,
    version_id    bigint      NOT NULL REFERENCES store.ingestion,
    state         store.state NOT NULL DEFAULT 'pending',
    validation_id bigint      REFERENCES store.validation,
    shown         int8multirange NOT NULL DEFAULT '{}',
    roster_id     integer     NOT NULL REFERENCES store.roster,
    told_at       timestamptz[] NOT NULL,              -- the exchange's clock
    mark_price    float8[]    NOT NULL,                -- like every price: in the quote currency
    index_price   float8[]    NOT NULL,
    bid_price     float8[]    NOT NULL,
    ask_price     float8[]    NOT NULL,
    last_price    float8[]    NOT NULL,
    open_interest float8[]    NOT NULL,                -- USD of a reversed contract, coin of a linear one
    volume        float8[]    NOT NULL,                -- coin, of 24 hours
    current_funding float8[]  NOT NULL,                -- fraction; NULL of a dated future
    funding_8h    float8[]    NOT NULL,                -- fraction; NULL of a dated future
    unreadable    text[]      NOT NULL,                -- rows that were left out, and why
    PRIMARY KEY (currency, beat, version_id)
-- each beat's rows are rewritten once, when they are published: what that leaves behind is used again soon
) WITH (autovacuum_vacuum_scale_factor = 0.01);

CREATE UNIQUE INDEX instrument_summary_published ON store.instrument_summary (currency, beat) WHERE state = 'published';

CREATE INDEX instrument_summary_undecided ON store.instrument_summary (beat) WHERE state IN ('pending', 'held');

CREATE INDEX instrument_summary_taken_away ON store.instrument_summary (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');
