-- Fails where the limiter has no table yet, or none that may be read. Grain: nothing. Reads only.
SELECT FROM store.rate_limit LIMIT 0
