-- Minutes of the basis of open days that are held back. That basis is computed from the published minutes of both legs, and of what
-- passed nothing is stored: a row is a pair of versions that did not pass. Another version of a leg makes another pair, which is
-- validated by itself. A row goes with the minutes that it names.
CREATE TABLE store.held_basis (
    instrument_id        integer     NOT NULL,
    ts                   timestamptz NOT NULL,         -- start of the minute
    future_version_id    bigint      NOT NULL,
    perpetual_id         integer     NOT NULL,
    perpetual_version_id bigint      NOT NULL,
    held                 int8multirange NOT NULL,      -- during which validations of a leg it was held back
    PRIMARY KEY (instrument_id, ts, future_version_id, perpetual_version_id),
    FOREIGN KEY (instrument_id, ts, future_version_id) REFERENCES store.open_candle ON DELETE CASCADE,
    FOREIGN KEY (perpetual_id, ts, perpetual_version_id) REFERENCES store.open_candle ON DELETE CASCADE
);

CREATE INDEX ON store.held_basis (perpetual_id, ts, perpetual_version_id);
