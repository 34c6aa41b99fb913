-- One reading of the catalogue: the fields that a host sent, and the values that are implied where it sent none (implied_*). Grain: an
-- instrument. May run twice.
CREATE TEMPORARY TABLE IF NOT EXISTS instrument_stage (
    instrument text, exchange_id bigint, kind text, base_currency text, quote_currency text, settlement_currency text,
    settlement_period text, instrument_type text, price_index text, tick_size float8, contract_size float8,
    listed_at timestamptz, expires_at timestamptz, strike float8, option_type text, state text, is_active boolean, host text,
    underlying_type text, implied_settlement_currency text, implied_instrument_type text, implied_price_index text
) ON COMMIT DELETE ROWS
