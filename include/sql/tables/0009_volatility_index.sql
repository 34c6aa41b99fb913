-- One row a currency, hour and version; published as candle_day is. ts is the START of the hour.
CREATE TABLE store.volatility_index (
    currency      text        NOT NULL,
    ts            timestamptz NOT NULL,
    version_id    bigint      NOT NULL REFERENCES store.ingestion,
    state         store.state NOT NULL DEFAULT 'pending',
    validation_id bigint      REFERENCES store.validation,
    shown         int8multirange NOT NULL DEFAULT '{}',
    open          float8      NOT NULL,                -- percent a year, like the three that follow
    high          float8      NOT NULL,
    low           float8      NOT NULL,
    close         float8      NOT NULL,
    duplicate     boolean     NOT NULL,                -- the exchange sent the hour more than once in an answer
    PRIMARY KEY (currency, ts, version_id)
);

CREATE UNIQUE INDEX volatility_index_published ON store.volatility_index (currency, ts) WHERE state = 'published';

CREATE INDEX volatility_index_undecided ON store.volatility_index (ts) WHERE state IN ('pending', 'held');

CREATE INDEX volatility_index_taken_away ON store.volatility_index (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');
