-- One row a future, day and version: the pair of published versions the basis was computed from and validated on. The
-- numbers themselves are computed from those two versions whenever they are read. Published as candle_day is.
CREATE TABLE store.basis_day (
    instrument_id     integer NOT NULL REFERENCES store.instrument,
    day               date    NOT NULL,
    version_id        bigint  NOT NULL REFERENCES store.ingestion,
    state             store.state NOT NULL DEFAULT 'pending',
    validation_id     bigint  REFERENCES store.validation,
    shown             int8multirange NOT NULL DEFAULT '{}',
    future_version_id bigint  NOT NULL,
    perpetual_id      integer NOT NULL REFERENCES store.instrument,
    perpetual_version_id bigint NOT NULL,
    minutes           smallint NOT NULL,               -- of the future, while the perpetual lives
    PRIMARY KEY (day, instrument_id, version_id)
);

CREATE UNIQUE INDEX basis_day_published ON store.basis_day (instrument_id, day) WHERE state = 'published';

CREATE INDEX basis_day_undecided ON store.basis_day (day) WHERE state IN ('pending', 'held');

CREATE INDEX basis_day_taken_away ON store.basis_day (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');
