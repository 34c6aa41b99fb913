-- Adds new instruments and updates the known ones. Grain: an instrument. Nothing is ever deleted: an instrument that the exchange
-- stops listing stays as it was last sent, and a field that one host omits (NULL) keeps the value that another one sent. A row belongs
-- to the instrument with its name and id; if the row or the instrument has no id, to the one with its name and creation time, which
-- then gets the id. A value that is implied by a row (implied_*) is used only if that field was never sent. May run twice: a reading
-- without news writes nothing (and uses up no number of the sequence: 76,000 rows are read every day). One reading at a time: the
-- caller holds the catalogue's lock.
WITH told AS (
    SELECT row_number() OVER (ORDER BY instrument, listed_at, exchange_id) AS place, one.*
    FROM (SELECT DISTINCT ON (instrument, exchange_id, CASE WHEN exchange_id IS NULL THEN listed_at END) *,
                 bool_or(exchange_id IS NOT NULL) OVER (PARTITION BY instrument, listed_at) AS has_id
          FROM instrument_stage
          ORDER BY instrument, exchange_id, CASE WHEN exchange_id IS NULL THEN listed_at END, listed_at DESC) AS one
    WHERE exchange_id IS NOT NULL OR NOT has_id
), met AS (
    SELECT DISTINCT ON (s.place) s.*, t.instrument IS NOT NULL AS name_is_taken, m.instrument_id, m.instrument_id IS NOT NULL AND m.by_id AS by_id
    FROM told s LEFT JOIN store.instrument t ON t.instrument = s.instrument
    CROSS JOIN LATERAL (
        SELECT CASE WHEN t.exchange_id = s.exchange_id
                      OR (t.exchange_id IS NULL OR s.exchange_id IS NULL) AND t.listed_at = s.listed_at THEN t.instrument_id END AS instrument_id,
               t.exchange_id IS NOT DISTINCT FROM s.exchange_id AS by_id) AS m
    ORDER BY s.place, by_id DESC, m.instrument_id
), matched AS (
    -- of two rows that are of one instrument, the one with its id
    SELECT *, row_number() OVER (PARTITION BY instrument_id ORDER BY by_id DESC, place) = 1 AND instrument_id IS NOT NULL AS is_known
    FROM met
), known AS (
    SELECT t.instrument_id, s.host,
           coalesce(s.exchange_id, t.exchange_id) AS exchange_id, coalesce(s.quote_currency, t.quote_currency) AS quote_currency,
           coalesce(s.settlement_currency, t.settlement_currency, s.implied_settlement_currency) AS settlement_currency,
           coalesce(s.settlement_period, t.settlement_period) AS settlement_period,
           coalesce(s.instrument_type, t.instrument_type, s.implied_instrument_type) AS instrument_type,
           coalesce(s.price_index, t.price_index, s.implied_price_index) AS price_index,
           coalesce(s.underlying_type, t.underlying_type) AS underlying_type, coalesce(s.tick_size, t.tick_size) AS tick_size,
           coalesce(s.contract_size, t.contract_size) AS contract_size, s.listed_at, s.expires_at,
           coalesce(s.strike, t.strike) AS strike, coalesce(s.option_type, t.option_type) AS option_type,
           coalesce(s.state, t.state) AS state, coalesce(s.is_active, t.is_active) AS is_active
    FROM matched s JOIN store.instrument t USING (instrument_id) WHERE s.is_known
), changed AS (
    UPDATE store.instrument t SET
        exchange_id = k.exchange_id, quote_currency = k.quote_currency, settlement_currency = k.settlement_currency,
        settlement_period = k.settlement_period, instrument_type = k.instrument_type, price_index = k.price_index,
        underlying_type = k.underlying_type, tick_size = k.tick_size, contract_size = k.contract_size, listed_at = k.listed_at,
        expires_at = k.expires_at, strike = k.strike, option_type = k.option_type, state = k.state, is_active = k.is_active,
        host = k.host, changed_at = now()
    FROM known k
    WHERE t.instrument_id = k.instrument_id
      AND (t.exchange_id, t.quote_currency, t.settlement_currency, t.settlement_period, t.instrument_type, t.price_index,
           t.underlying_type, t.tick_size, t.contract_size, t.listed_at, t.expires_at, t.strike, t.option_type, t.state, t.is_active)
          IS DISTINCT FROM
          (k.exchange_id, k.quote_currency, k.settlement_currency, k.settlement_period, k.instrument_type, k.price_index,
           k.underlying_type, k.tick_size, k.contract_size, k.listed_at, k.expires_at, k.strike, k.option_type, k.state, k.is_active)
    RETURNING 1
), added AS (
    INSERT INTO store.instrument (instrument, label, exchange_id, kind, base_currency, quote_currency, settlement_currency,
        settlement_period, instrument_type, price_index, underlying_type, tick_size, contract_size, listed_at, expires_at, strike,
        option_type, state, is_active, host)
    SELECT s.instrument,
           CASE WHEN row_number() OVER (PARTITION BY s.instrument ORDER BY s.place) = 1 AND NOT s.name_is_taken THEN s.instrument
                ELSE s.instrument || '#' || coalesce(s.exchange_id::text, to_char(s.listed_at AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISSMS')) END,
           s.exchange_id, s.kind, s.base_currency, s.quote_currency,
           coalesce(s.settlement_currency, s.implied_settlement_currency), s.settlement_period,
           coalesce(s.instrument_type, s.implied_instrument_type), coalesce(s.price_index, s.implied_price_index),
           s.underlying_type, s.tick_size, s.contract_size, s.listed_at, s.expires_at, s.strike, s.option_type, s.state,
           s.is_active, s.host
    FROM matched s WHERE NOT s.is_known
    ORDER BY s.place
    RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added, (SELECT count(*) FROM changed) AS changed
