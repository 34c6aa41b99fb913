-- Every session thinks in UTC. Compiling a plan costs more than these statements take. And arrays are kept in
-- the fastest compression this server was built with: lz4 where there is one (the embedded server has none).
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), 'UTC');
    EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
    -- it would hash whole arrays that never come again
    EXECUTE format('ALTER DATABASE %I SET enable_memoize = off', current_database());
    IF (SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
        EXECUTE format('ALTER DATABASE %I SET default_toast_compression = lz4', current_database());
    END IF;
END $$;

-- The catalogue: one row an instrument the exchange ever listed. It is the exchange's id with the name: a name that is
-- listed again under another id is another instrument. Rows are never deleted: an instrument
-- the exchange stops listing keeps its last known state. When the catalogue was last read says
-- catalogue_reading; a reading that tells nothing new writes no row here. NULL: no host ever told it, and it does not
-- follow from what was told (the history host tells no state, rows of 2021 no settlement_currency).
CREATE SCHEMA store;

CREATE TABLE store.instrument (
    instrument_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instrument          text        NOT NULL,          -- its name at the exchange
    label               text        NOT NULL UNIQUE,   -- the name, for a name listed again name#id: what it is called here
    exchange_id         bigint,
    kind                text        NOT NULL,
    base_currency       text        NOT NULL,
    quote_currency      text,
    settlement_currency text,
    settlement_period   text        NOT NULL,
    instrument_type     text,                          -- reversed or linear
    price_index         text,
    underlying_type     text,                          -- crypto, equity, commodity ...: told since 2026-06-30
    tick_size           float8,
    contract_size       float8,
    listed_at           timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,          -- infinity for a perpetual
    strike              float8,
    option_type         text,
    state               text,
    is_active           boolean,
    host                text        NOT NULL,          -- the host that told the last change
    first_seen_at       timestamptz NOT NULL DEFAULT now(),
    changed_at          timestamptz NOT NULL DEFAULT now()  -- when the exchange last told something new of it
);

CREATE UNIQUE INDEX instrument_identity ON store.instrument (instrument, exchange_id);

-- without an id (NULL) a name and its creation are one instrument
CREATE UNIQUE INDEX instrument_without_id ON store.instrument (instrument, listed_at) WHERE exchange_id IS NULL;

-- "which instruments lived in this interval" is asked by every plan
CREATE INDEX instrument_lifetime ON store.instrument (kind, settlement_period, expires_at, listed_at);

-- When the catalogue was last read, a row a question the exchange is asked: a currency's and kind's instruments, listed
-- or expired, of one host.
CREATE TABLE store.catalogue_reading (
    currency    text        NOT NULL,
    kind        text        NOT NULL,
    host        text        NOT NULL,
    expired     boolean     NOT NULL,
    read_at     timestamptz NOT NULL DEFAULT now(),
    instruments integer     NOT NULL,
    run_id      text        NOT NULL,
    PRIMARY KEY (currency, kind, host, expired)
);

-- Rows of the newest reading of each question that no instrument can be, and so are left out.
CREATE TABLE store.unreadable_instrument (
    currency text        NOT NULL,
    kind     text        NOT NULL,
    host     text        NOT NULL,
    expired  boolean     NOT NULL,
    subject  text        NOT NULL,                     -- the name, cut and in ASCII, or the row's place
    cause    text        NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (currency, kind, host, expired, subject)
);

-- The one exchange this database holds data of. Simulated, recorded and live data never share a database.
CREATE TABLE store.origin (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    live_host    text NOT NULL,
    history_host text NOT NULL,
    since    timestamptz NOT NULL DEFAULT now()
);

-- What is collected: a row a settlement currency, as configured when the catalogue was last read, and from when on.
CREATE TABLE store.collected (
    currency text        PRIMARY KEY,
    since    timestamptz NOT NULL
);

-- Where the catalogue leaves a lifetime open that is over: a perpetual without a row for seven days while others have
-- them. Found by asking, and gone again when rows come.
CREATE TABLE store.delisting (
    instrument_id integer     PRIMARY KEY REFERENCES store.instrument,
    ends_at       timestamptz NOT NULL,                -- end of the last hour with funding or a trade
    last_hour     timestamptz,                         -- the newest funded hour (its end); NULL: there is none
    reason        text        NOT NULL,
    found_at      timestamptz NOT NULL DEFAULT now()
);
