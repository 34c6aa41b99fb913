-- What the funding chart said of minutes of open days that no summary tells the index of, once it was decided on: a row has the minutes of
-- a day that passed with one validation, or (is_held) those that did not. A minute that the chart tells otherwise later is decided on
-- again, and the later one that passed counts. Nothing is changed or taken away, so that what was shown at a moment can be told.
CREATE TABLE store.charted_index (
    index_name    text       NOT NULL,
    day           date       NOT NULL,
    validation_id bigint     NOT NULL REFERENCES store.validation,  -- of the perpetual's minutes with which it was decided on
    is_held       boolean    NOT NULL,
    minutes       smallint[] NOT NULL,                              -- of the day, ascending; the price is that of a minute's end
    prices        float8[]   NOT NULL,                              -- in step with the minutes
    PRIMARY KEY (index_name, day, validation_id, is_held)
);

CREATE INDEX ON store.charted_index (validation_id);
