-- One row a future and day: the pair of published versions the basis was computed from and judged on. The
-- numbers themselves are computed from those two versions whenever they are read, so they can't be stale:
-- a pair whose input was republished is no longer shown, and is due.
CREATE TABLE store.basis_day (
    instrument_id     integer NOT NULL REFERENCES store.instrument,
    day               date    NOT NULL,
    load_id           bigint  NOT NULL,                -- version of the future
    perpetual_id      integer NOT NULL REFERENCES store.instrument,
    perpetual_load_id bigint  NOT NULL,
    judged_by         bigint  REFERENCES store.validation,
    published         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (day, instrument_id)
);
CREATE INDEX basis_day_instrument ON store.basis_day (instrument_id, day);

-- Which perpetual a dated future is measured against: same coin, quote and settlement.
CREATE VIEW store.future AS
    SELECT f.instrument_id, f.instrument, f.base_currency, f.price_index, f.listed_at, f.expires_at,
           p.instrument_id AS perpetual_id, p.instrument AS perpetual
    FROM store.instrument f
    JOIN store.instrument p USING (kind, base_currency, quote_currency, settlement_currency, instrument_type)
    WHERE f.kind = 'future' AND f.settlement_period <> 'perpetual' AND p.settlement_period = 'perpetual';
