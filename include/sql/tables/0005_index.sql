-- What the funding chart said of the true index, minute by minute: element i is the price at day + i minutes.
CREATE TABLE store.index_chart_day (
    index_name text     NOT NULL,
    day        date     NOT NULL,
    version_id    bigint   NOT NULL REFERENCES store.ingestion,
    price      float8[] NOT NULL CHECK (cardinality(price) = 1440),
    PRIMARY KEY (index_name, day)
);

-- One row an index, day and version: the true prices that are known, the version of the perpetual that stands in
-- elsewhere, and how far it was off where both are known. Published as candle_day is.
CREATE TABLE store.index_day (
    index_name       text     NOT NULL,
    day              date     NOT NULL,
    version_id       bigint   NOT NULL REFERENCES store.ingestion,
    state            store.state NOT NULL DEFAULT 'pending',
    validation_id    bigint   REFERENCES store.validation,
    shown            int8multirange NOT NULL DEFAULT '{}',
    perpetual_id     integer  NOT NULL REFERENCES store.instrument,
    perpetual_version_id bigint,                       -- NULL: no day of the perpetual is published
    funding_validation_id bigint,                      -- the newest that published an hour of the day
    chart_version_id    bigint,
    hourly           float8[] NOT NULL CHECK (cardinality(hourly) = 24),  -- element k: price at day + k hours
    minutes          float8[] CHECK (cardinality(minutes) = 1440),
    compared_hours   smallint NOT NULL,
    proxy_error_mean float8,                           -- fraction, perpetual / index - 1, signed
    proxy_error_p95  float8,                           -- fraction, absolute
    proxy_error_max  float8,                           -- fraction, absolute
    PRIMARY KEY (index_name, day, version_id)
);

CREATE UNIQUE INDEX index_day_published ON store.index_day (day, index_name) WHERE state = 'published';

CREATE INDEX index_day_undecided ON store.index_day (day) WHERE state IN ('pending', 'held');

CREATE INDEX index_day_taken_away ON store.index_day (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');
