-- One row a future and day: the pair of published versions the basis was computed from and validated on. The
-- numbers themselves are computed from those two versions whenever they are read, so they can't be stale:
-- a pair whose input was republished is no longer shown, and is pending.
CREATE TABLE store.basis_day (
    instrument_id     integer NOT NULL REFERENCES store.instrument,
    day               date    NOT NULL,
    version_id           bigint  NOT NULL,                -- version of the future
    perpetual_id      integer NOT NULL REFERENCES store.instrument,
    perpetual_version_id bigint  NOT NULL,
    minutes         smallint NOT NULL,                 -- of the future, while the perpetual lives
    validation_id         bigint  REFERENCES store.validation,
    published         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (day, instrument_id)
);

CREATE INDEX basis_day_instrument ON store.basis_day (instrument_id, day);
