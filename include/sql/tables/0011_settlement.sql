-- One row an instrument, UTC day, type of settlement and version; published as candle_day is. NULL: the exchange did not tell it.
CREATE TABLE store.settlement (
    instrument_id       integer     NOT NULL REFERENCES store.instrument,
    day                 date        NOT NULL,
    type                text        NOT NULL,          -- settlement or delivery, as the exchange calls it
    version_id          bigint      NOT NULL REFERENCES store.ingestion,
    state               store.state NOT NULL DEFAULT 'pending',
    validation_id       bigint      REFERENCES store.validation,
    shown               int8multirange NOT NULL DEFAULT '{}',
    settled_at          timestamptz NOT NULL,
    position            float8,                        -- USD; of a linear contract coin
    mark_price          float8,                        -- quote currency, as is index_price
    index_price         float8,
    profit_loss         float8,                        -- settlement currency, of all holders together, as the two that follow
    session_profit_loss float8,
    funding             float8,
    duplicate           boolean     NOT NULL,          -- the exchange has another one of the day and type
    PRIMARY KEY (instrument_id, day, type, version_id)
);

CREATE UNIQUE INDEX settlement_published ON store.settlement (instrument_id, day, type) WHERE state = 'published';

CREATE INDEX settlement_undecided ON store.settlement (day) WHERE state IN ('pending', 'held');

CREATE INDEX settlement_taken_away ON store.settlement (validation_id) WHERE state IN ('held', 'superseded', 'withdrawn');
