-- One row an index, UTC day and version; published as candle_day is. The price is that of the delivery at 08:00 UTC of the day.
CREATE TABLE store.delivery_price (
    index_name    text        NOT NULL,
    day           date        NOT NULL,
    version_id    bigint      NOT NULL REFERENCES store.ingestion,
    state         store.state NOT NULL DEFAULT 'pending',
    validation_id bigint      REFERENCES store.validation,
    shown         int8multirange NOT NULL DEFAULT '{}',
    price         float8      NOT NULL,                -- in the index's quote currency; NaN: null was sent
    duplicate     boolean     NOT NULL,                -- the exchange has the day more than once
    PRIMARY KEY (index_name, day, version_id)
);

CREATE UNIQUE INDEX delivery_price_published ON store.delivery_price (index_name, day) WHERE state = 'published';

CREATE INDEX delivery_price_undecided ON store.delivery_price (day) WHERE state IN ('pending', 'held');

CREATE INDEX delivery_price_taken_away ON store.delivery_price (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');
