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

-- Which perpetual a dated future is measured against on the days [from_day, past_day): one of the same coin, quote,
-- settlement and type. Of several (a successor, a name listed again) the older stays until its lifetime is over.
CREATE VIEW store.future AS
    SELECT f.instrument_id, f.instrument, f.label, f.base_currency, f.price_index, f.begins AS listed_at, f.expires_at,
           p.instrument_id AS perpetual_id, p.instrument AS perpetual, p.begins AS perpetual_begins, p.ends AS perpetual_ends,
           greatest(p.from_day, f.first_day) AS from_day, least(p.past_day, f.past_day) AS past_day
    FROM store.lifetime f
    JOIN (SELECT *, greatest(first_day, max(past_day) OVER (
                        PARTITION BY base_currency, quote_currency, settlement_currency, instrument_type
                        ORDER BY begins, instrument_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS from_day
          FROM store.lifetime WHERE perpetual) AS p
      USING (base_currency, quote_currency, settlement_currency, instrument_type)
    WHERE NOT f.perpetual AND greatest(p.from_day, f.first_day) < least(p.past_day, f.past_day);
