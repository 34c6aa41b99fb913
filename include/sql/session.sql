-- What the statements rely on, whatever the connection's extras, its role or its database are set to. Grain: the session.
-- May run twice.
SELECT
    set_config('TimeZone', 'UTC', false),
    set_config('DateStyle', 'ISO, MDY', false),
    set_config('IntervalStyle', 'postgres', false),
    set_config('client_encoding', 'UTF8', false),
    set_config('search_path', '"$user", public', false),
    set_config('extra_float_digits', '1', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('default_transaction_read_only', 'off', false)
