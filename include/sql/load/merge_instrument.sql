-- Adds instruments not known yet and brings the known ones up to date. Grain: an instrument. Nothing is ever
-- deleted: what the exchange stops listing stays as it was last seen. May run twice.
WITH merged AS (
    INSERT INTO store.instrument AS t (instrument, exchange_id, kind, base_currency, quote_currency, settlement_currency,
        settlement_period, instrument_type, price_index, tick_size, contract_size, listed_at, expires_at, strike, option_type,
        state, is_active, host)
    SELECT DISTINCT ON (instrument) * FROM instrument_stage ORDER BY instrument, host DESC
    ON CONFLICT (instrument) DO UPDATE SET
        exchange_id = excluded.exchange_id, tick_size = excluded.tick_size, contract_size = excluded.contract_size,
        listed_at = excluded.listed_at, expires_at = excluded.expires_at, state = excluded.state,
        is_active = excluded.is_active, host = excluded.host, last_seen_at = now()
    WHERE (t.exchange_id, t.tick_size, t.contract_size, t.listed_at, t.expires_at, t.state, t.is_active, t.host)
          IS DISTINCT FROM (excluded.exchange_id, excluded.tick_size, excluded.contract_size, excluded.listed_at,
                            excluded.expires_at, excluded.state, excluded.is_active, excluded.host)
    RETURNING (xmax = 0) AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS added, count(*) FILTER (WHERE NOT is_new) AS changed FROM merged
