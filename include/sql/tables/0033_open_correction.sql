-- Corrections of minutes of open days, kept when the minutes of the day are deleted: a row a value (store.open_minute_correction).
CREATE TABLE store.open_correction (
    instrument_id  integer     NOT NULL REFERENCES store.instrument,
    day            date        NOT NULL,
    ts             timestamptz NOT NULL,               -- start of the minute
    field          text        NOT NULL,
    old            float8      NOT NULL,               -- prices in the quote currency, volume in coin, cost in USD
    new            float8      NOT NULL,
    corrected_at   timestamptz NOT NULL,
    validation_id  bigint      NOT NULL REFERENCES store.validation,
    old_version_id bigint      NOT NULL REFERENCES store.ingestion,
    new_version_id bigint      NOT NULL REFERENCES store.ingestion,
    PRIMARY KEY (day, instrument_id, ts, old_version_id, field)
);

-- for loads and validations that are deleted, as in 0016
CREATE INDEX ON store.open_correction (validation_id);

CREATE INDEX ON store.open_correction (old_version_id);

CREATE INDEX ON store.open_correction (new_version_id);
