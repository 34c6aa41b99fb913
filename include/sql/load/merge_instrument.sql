-- Adds instruments not known yet and brings the known ones up to date. Grain: an instrument. Nothing is ever
-- deleted: what the exchange stops listing stays as it was last told. May run twice: a reading that tells
-- nothing new writes nothing (and draws no number: 76,000 rows are read every day). One reading at a time: the
-- caller holds the catalogue's lock.
WITH told AS (
    SELECT DISTINCT ON (instrument) * FROM instrument_stage ORDER BY instrument, host DESC
), changed AS (
    UPDATE store.instrument t SET
        exchange_id = s.exchange_id, tick_size = s.tick_size, contract_size = s.contract_size, listed_at = s.listed_at,
        expires_at = s.expires_at, state = s.state, is_active = s.is_active, host = s.host, changed_at = now()
    FROM told s
    WHERE t.instrument = s.instrument
      AND (t.exchange_id, t.tick_size, t.contract_size, t.listed_at, t.expires_at, t.state, t.is_active, t.host)
          IS DISTINCT FROM (s.exchange_id, s.tick_size, s.contract_size, s.listed_at, s.expires_at, s.state, s.is_active, s.host)
    RETURNING 1
), added AS (
    INSERT INTO store.instrument (instrument, exchange_id, kind, base_currency, quote_currency, settlement_currency,
        settlement_period, instrument_type, price_index, tick_size, contract_size, listed_at, expires_at, strike, option_type,
        state, is_active, host)
    SELECT s.* FROM told s WHERE NOT EXISTS (SELECT FROM store.instrument t WHERE t.instrument = s.instrument)
    ORDER BY s.instrument
    RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added, (SELECT count(*) FROM changed) AS changed
