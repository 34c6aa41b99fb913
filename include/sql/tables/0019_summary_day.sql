-- Summaries of days that are long over, turned: a row an instrument and day, in which each value stands beside the one of the minute
-- before it. That takes a third of what a row a beat takes. Only beats that were published once and are shown since are folded so;
-- whatever else became of one stays in store.instrument_summary.
CREATE TABLE store.summary_day (
    currency       text       NOT NULL,
    day            date       NOT NULL,                -- the UTC day of the beats
    minutes        smallint[] NOT NULL,                -- of the day, of each beat, ascending
    version_ids    bigint[]   NOT NULL,                -- in step with the minutes
    validation_ids bigint[]   NOT NULL,                -- that published the beat
    unreadable     jsonb,                              -- by minute: rows that were left out, and why; NULL: none
    PRIMARY KEY (currency, day)
);

-- The arrays are in step with the day's minutes.
CREATE TABLE store.summary_series (
    instrument    text      NOT NULL,
    day           date      NOT NULL,
    currency      text      NOT NULL,
    told_ms       integer[] NOT NULL,                  -- the exchange's clock, ms after the beat; NULL: it was not in the snapshot
    mark_price    float8[]  NOT NULL,
    index_price   float8[]  NOT NULL,
    bid_price     float8[]  NOT NULL,
    ask_price     float8[]  NOT NULL,
    last_price    float8[]  NOT NULL,
    open_interest float8[]  NOT NULL,
    volume        float8[]  NOT NULL,
    current_funding float8[] NOT NULL,
    funding_8h    float8[]  NOT NULL,
    PRIMARY KEY (instrument, day, currency),
    FOREIGN KEY (currency, day) REFERENCES store.summary_day
);
