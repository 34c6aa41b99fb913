-- What live had published of a minute that its closed day says otherwise, kept when the live minutes of the day are deleted: a row an
-- instrument and minute. All of live_… is NULL where live had missed the minute, all the others where the closed day lacked it.
CREATE TABLE store.live_difference (
    instrument_id integer     NOT NULL REFERENCES store.instrument,
    day           date        NOT NULL,
    ts            timestamptz NOT NULL,                -- start of the minute
    live_open     float8,
    live_high     float8,
    live_low      float8,
    live_close    float8,
    live_volume   float8,
    live_cost     float8,
    open          float8,                              -- of the closed day then; like every price in the quote currency
    high          float8,
    low           float8,
    close         float8,
    volume        float8,                              -- coin, like the live one
    cost          float8,                              -- USD, like the live one
    PRIMARY KEY (day, instrument_id, ts)
);
